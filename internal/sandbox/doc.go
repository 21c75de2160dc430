// Package sandbox runs a command in namespaces of its own, with a filesystem that dies with it: the processes, mounts,
// signals and terminal of `safetmp run`.
//
// # Purpose
//
// Run is the entry point. It starts this program again twice, so that four processes take part:
//
//	shell
//	└─ F  front    Run         the caller's job: waits, forwards signals, mirrors stops, prints
//	   └─ D  daemon   Daemon   own user and mount namespaces, own session: serves the filesystem
//	      └─ I  init     Init  own pid and mount namespaces, F's process group: covers, /proc, reaps
//	         └─ C  the command F's process group
//
// F and D, and D and I, talk over one socket pair each. Whoever sees the end of a socket knows that its peer is gone.
//
// # Guarantees
//
//   - The command sees the filesystem as TMPDIR, TMP and TEMP and on the covered directories, and nothing else changes
//     for it: same terminal, working directory, environment, signal dispositions and mask, descriptors, limits.
//   - A signal reaches the command once, whether it was sent to F, or to the whole job by terminal or kill(2).
//   - The command's status is F's status, its stops are F's stops.
//   - Whichever process ends or is killed first, the others follow: no process of the sandbox survives Run, or D if F
//     was killed. D outlives the rest, because it wipes. The order is: pid namespace killed, filesystem unmounted,
//     drained, wiped, reported.
//   - No descriptor of ours is open in the command. Without privilege the command holds no capability; D and I are not
//     dumpable, so it cannot trace them, and D is not in its /proc.
//   - No mount appears in the caller's namespace.
//
// # Not guaranteed
//
// Not a jail: the command keeps the caller's uid, files and network. If the kernel refuses a new /proc, as in
// containers that mask parts of it, the command sees the old one. Dispositions that the Go runtime has taken over
// before we run (SIGTERM or SIGQUIT ignored by the caller) are defaults in the command; SIGHUP, SIGINT, SIGTSTP,
// SIGTTIN and SIGTTOU stay ignored. As real root the command keeps root's capabilities and can undo everything.
//
// # Errors
//
// *Error for a failure of safetmp, with the status that env(1) and docker-run(1) use: 125, 126, 127.
//
// # Kernel behaviour
//
// user_namespaces(7): capabilities survive execve(2) of a non-root uid as ambient ones only. FUSE accepts a
// /dev/fuse opened in the user namespace of the mount only. pid_namespaces(7): when init ends, the kernel kills the
// rest and init is reaped after them, so waiting for I waits for all; init gets no signal without a handler, except
// SIGKILL and SIGSTOP from outside. A process group that began outside the namespace reads as 0 inside.
// PR_SET_PDEATHSIG(2const) is sent when the parent's thread ends, not its process.
package sandbox
