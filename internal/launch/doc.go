// Package launch starts the process that serves one mount, and is the first half of that process: what `safetmp mount`
// and the container volumes of safetmp-volume do alike.
//
// # Purpose
//
// Start executes this program again as a daemon, hands it the options and returns once the filesystem answers. Daemon
// is what the executed program calls; Serve does the same work without a process of its own. Find leads from a
// directory to the mount on it and to the daemon behind.
//
// # Guarantees
//
//   - Start returns nil once the filesystem answers and every call on it will be served; on error nothing is mounted and
//     no process is left.
//   - If the caller gives up, by ctx or by dying, before it knows that the mount is there, the daemon unmounts and ends.
//   - The daemon inherits no descriptor and no variable of the environment but those it needs.
//   - A mount whose daemon and watcher were killed is cleared out of the way of a new one. One whose daemon answers is
//     not touched.
//   - A daemon is believed to speak for a mount only if it belongs to somebody who could have made it.
//
// # Not guaranteed
//
// What a daemon logs goes nowhere: its descriptors 0, 1 and 2 are /dev/null.
//
// # Errors
//
// *Failure carries what the daemon said, with the exit code that its program chose; ErrInterrupted is a ctx that ended
// first; ErrUse says that a hidden command was run by hand.
//
// # Kernel behaviour
//
// The daemon is this same program, executed from /proc/self/exe: a process of Go cannot fork without exec. It waits for
// its options before it does anything, so that a caller can put it into a cgroup first (Spec.Place).
package launch
