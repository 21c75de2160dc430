// Package watch keeps a mount usable when its daemon is killed outright: a small process beside the daemon detaches the
// dead mount, and unmounts for a daemon that has given up the right to.
//
// # Purpose
//
// The daemon calls Start, which executes this program again; that process calls Serve and waits. Both are connected by
// a socket pair: its end is how the watcher learns that the daemon is gone, whatever killed it. An orderly daemon asks
// the watcher to unmount, and says goodbye with End.
//
// # Guarantees
//
//   - While the filesystem is mounted, the directory below has mode 0500. When the daemon dies, the mount is detached and
//     the directory stays so: users find it empty and closed, not "Transport endpoint is not connected" and not an
//     unprotected place to write to.
//   - When the filesystem was unmounted, by whomever, the directory gets back the mode in which it was found, before a
//     mount that follows can find it otherwise: at once if the watcher unmounts, within milliseconds if somebody else
//     does.
//   - Nothing but the watched mount is ever detached: it is known by the id that is never used again (Linux 6.8) and
//     followed when a directory on the way to it is renamed.
//   - The watcher outlives every signal but SIGKILL as long as its daemon lives, and ends when it ends. It is not
//     dumpable and holds nothing of the files: it is started before the daemon serves.
//
// # Not guaranteed
//
// If daemon and watcher are killed together, as by an out-of-memory kill of a whole cgroup, the dead mount stays until
// the next `safetmp mount` there or `safetmp umount --force`. If the watcher alone is killed, the filesystem goes on;
// the directory below then keeps mode 0500, and the daemon, which has given up the right, can no longer unmount by itself:
// `safetmp umount`, umount(8) and fusermount3(1) can. A directory
// of another owner or on a read-only filesystem keeps its mode. Copies of the mount in other mount namespaces that do
// not receive its unmount (mount_namespaces(7)) stay dead. Root ignores mode 0500.
//
// # Lock order
//
//	Guard.mu    held for one request and its answer
//
// # Errors
//
// Guard.Unmount and Guard.ForceDetach return those of package mount, and ErrLost.
//
// # Kernel behaviour
//
// The descriptors of a killed process are closed after its memory is freed, so the end of the socket comes when the
// last page is back. poll(2) reports POLLPRI on /proc/self/mountinfo when the mount table has changed
// (proc_pid_mountinfo(5)). An O_PATH descriptor of the covered directory reaches it below the mount and follows it when
// it is renamed.
package watch
