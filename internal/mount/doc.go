// Package mount attaches a safetmp filesystem to a directory, detaches it, and tells who keeps it from being detached.
//
// Purpose. One way to mount for whoever may call mount(2) and for whoever needs fusermount3(1); one way back. Mount is
// the entry point; Find, Unmount, Abort and Holders serve the commands that end a mount.
//
// Guarantees. Every mount carries nosuid and nodev; Mount fails and undoes what it did if the kernel or the helper
// left either out. The directory that was checked (exists, is a directory, is empty) is the directory that is mounted
// on: it is held open in between. The descriptor of /dev/fuse is close-on-exec from the moment it exists. Nothing in
// this package looks into a mount: a daemon that does not answer cannot hang Find, Unmount or Holders.
//
// Not guaranteed. Holders is a snapshot, and limited to the processes that ptrace(2) rules let the caller look at:
// a busy mount may have no holder that the caller can see.
//
// Lock order. No locks.
//
// Errors. *Error with a sentinel of errors.go (Err...) for each cause that has its own exit code, always with the path
// and often with a hint; the errno of the system call stays in the chain, so errors.Is(err, unix.EBUSY) holds for a
// mount in use.
//
// Kernel behaviour. mount(2) of type fuse.safetmp does not wait for the daemon: INIT is answered later. MS_NOSYMFOLLOW
// is ignored before Linux 5.10; Entry tells what came of it. statx(2) with an empty mask and AT_STATX_DONT_SYNC
// returns the device of a FUSE file without asking the daemon or the mount's owner check.
package mount
