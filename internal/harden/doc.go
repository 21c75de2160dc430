// Package harden takes from a process what it does not need, for good: after Apply a flaw in it reaches little more than
// what it holds already.
//
// # Purpose
//
// The daemon holds the contents of files. Once it is mounted and set up it needs its memory, the descriptors that are
// open, names of processes from /proc, and one folder in which its control socket lies. Apply leaves it these, in five
// layers that do not depend on each other. The watcher, whose work is to unmount, gets Keep.
//
// # Guarantees
//
// After Apply, on every thread of the process:
//
//   - no core is written (RLIMIT_CORE), whatever else changes;
//   - no_new_privs: nothing that is executed gains a privilege (PR_SET_NO_NEW_PRIVS(2const));
//   - no capability is held, also by root (capabilities(7)); CAP_SYS_ADMIN alone with Config.Backing;
//   - Landlock: files can be read below /proc and removed from the folder of Config, nothing else; the file systems of
//     the namespace cannot be changed, processes outside cannot be traced or, unless Config says so, signalled; no TCP
//     port, no abstract socket can be reached (landlock(7));
//   - seccomp: system calls that the daemon does not make fail with EPERM, among them execve, fork, ptrace, socket,
//     connect, mount, and opening a file for writing; memory is never writable and executable (seccomp(2)).
//
// # Not guaranteed
//
// With Config.Backing Landlock does not restrict files, and seccomp lets through what that describes.
//
// Where the kernel lacks Landlock or seccomp, the other layers hold, as on processors other than amd64 and arm64, for
// which there is no filter of calls; Apply says which do. Under the race detector, whose runtime opens files and makes
// calls of its own, both are left out. Descriptors that are open stay open.
//
// # Errors
//
// Apply fails only if a layer that every kernel has was refused.
//
// # Kernel behaviour
//
// Capabilities, no_new_privs and Landlock belong to threads. They are set on all threads at once by signal 33, the one
// that the C library uses for setxid(2) (psx; AllThreadsSyscall of package syscall without cgo): a thread that blocks
// it would hold up Apply. Threads that are started later inherit everything. seccomp synchronises threads by itself.
package harden
