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
//   - Every request gets exactly one reply, or none where the protocol has
//     none. A malformed one gets EINVAL, an unknown one ENOSYS, a panic in the
//     handler EIO; the connection goes on.
//   - A request buffer and a reply buffer are overwritten before the next
//     request is read. They are outside the Go heap, kept out of core dumps and
//     of forked children.
//   - After Stop has returned, no request is under way and none will be
//     handled: later ones are answered ENODEV.
//   - INTERRUPT is answered ENOSYS, so the kernel stops sending it and no
//     system call on the mount returns EINTR because of a signal.
//
// # Lock order
//
// None: readers share nothing but the descriptor.
//
// # Kernel behaviour
//
// Readers are a fixed number of goroutines, each locked to a thread that reads,
// handles and writes by itself: waking another thread for a request costs more
// than the request. Reads fail with ENODEV once the filesystem is unmounted and
// every file on it closed, or the connection aborted.
package fuseconn
