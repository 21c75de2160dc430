// Package fuseconn is the connection to the kernel: it owns the descriptor of
// /dev/fuse, answers INIT, reads requests, hands them to package fs and writes
// the replies and notifications.
//
// # Purpose
//
// Conn takes the place of go-fuse's Server. It decodes requests in place, into
// go-fuse's protocol types, so that contents exist in buffers that this package
// maps itself and overwrites after each request, and nowhere else; go-fuse's
// own loop keeps the first bytes of every request on the Go heap.
//
// # Guarantees
//
//   - Requests come by io_uring only if every ring and every buffer existed, and
//     the ring had been used, before INIT agreed to it. If the kernel refuses one
//     afterwards, readers, which are there in any case, get all requests.
//   - Every request gets exactly one reply, or none where the protocol has
//     none. A malformed one gets EINVAL, an unknown one ENOSYS, a panic in the
//     handler EIO; the connection goes on.
//   - A request buffer and a reply buffer are overwritten before the next
//     request is waited for. They are outside the Go heap, kept out of core
//     dumps and of forked children, and locked where that is permitted. Rings
//     take at most 64 MiB, however many processors there are.
//   - A request that waits for room keeps no other from being handled: the
//     thread of a ring serves its queue meanwhile, and the last free buffer is
//     never waited with.
//   - After Stop has returned, no request is under way and none will be
//     handled: later ones are answered ENODEV.
//   - INTERRUPT is answered ENOSYS, so the kernel stops sending it and no
//     system call on the mount returns EINTR because of a signal.
//
// # Lock order
//
// None: threads share nothing but the descriptor.
//
// # Kernel behaviour
//
// Readers are a fixed number of goroutines, each locked to a thread that reads,
// handles and writes by itself: waking another thread for a request costs more
// than the request. Reads fail with ENODEV once the filesystem is unmounted and
// every file on it closed, or the connection aborted.
//
// FUSE over io_uring (Linux 6.14, Documentation/filesystems/fuse/fuse-io-uring)
// has one queue for each possible processor and puts a request into that of the
// processor where the caller runs. It uses none before it has a buffer of every
// queue, and answers nothing until then or until it has refused a buffer; so a
// ring that is promised and never comes blocks every caller. FORGET and
// notifications stay on the device. A buffer is given back with the reply in it
// in one call that also waits for the next request (FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
// a reply with contents takes two, so that they can be overwritten in between.
// At the end of the connection each buffer comes back with ENOTCONN.
package fuseconn
