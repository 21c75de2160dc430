// Package uring is one io_uring instance, cut down to what serving FUSE needs.
//
// # Purpose
//
// New makes a ring that can do nothing but poll and pass commands to the files
// it was made with. Push fills its submission queue, Enter hands it to the
// kernel and waits, Pop takes what is completed.
//
// # Guarantees
//
//   - A ring is restricted before it is usable: two operations, on registered
//     files only, and no further registration. Whoever gets hold of it opens,
//     connects and reads nothing by it.
//   - The kernel touches a buffer of a command only within Push's owner's calls
//     of Enter (IORING_SETUP_DEFER_TASKRUN), never between two instructions of
//     the program.
//
// # Not guaranteed
//
// Nothing is safe for concurrent use but Close of a ring that nobody uses any
// more: all calls come from the thread that made the ring, and no other can
// make them (IORING_SETUP_SINGLE_ISSUER).
//
// # Errors
//
// What io_uring_setup(2) and io_uring_enter(2) say, wrapped: EPERM where
// kernel.io_uring_disabled or a filter forbids them, ENOSYS where they do not
// exist, ENOMEM, EINVAL on kernels older than 6.1.
//
// # Kernel behaviour
//
// The waiting call goes through syscall.Syscall6, which lets the runtime use
// the processor meanwhile. With RawSyscall6 the first garbage collection would
// wait for this thread, and the thread for a request that nobody can send.
package uring
