// Command safetmp mounts and ends filesystems for temporary files that live in RAM, under rules that hold however
// careless the program is that uses them.
//
// Purpose. The commands mount, umount, run, status, ls and policy, for people and for scripts; and, under the name
// mount.safetmp, the helper that mount(8) calls for a line in /etc/fstab.
//
// Guarantees. Exit codes are numbered (exitcode.go) and never reused; every failure is one line on stderr, "safetmp:
// what: why", and where something can be done about it one line more, "safetmp: hint: what to try". A usage mistake
// is found before anything is mounted. Results go to stdout, everything else to stderr. Whatever a daemon or a workload
// chose is printed without control characters. mount returns once the filesystem answers. Only main exits the process,
// so every path out of a process that serves has wiped first.
//
// Not guaranteed. The wording of messages; scripts rely on exit codes and on --json.
//
// Errors. run returns the status; nothing below it prints an error on its own.
//
// Kernel behaviour. The daemon is this same program, executed again from /proc/self/exe in a session of its own: a
// process of Go cannot fork without exec.
package main
