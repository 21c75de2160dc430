// Package hosttest is what tests need of the host that they run on.
//
// Purpose: tests mount, act as several users, start processes and end them. Whether they may, who they are, what a
// process does and what a run has left behind is asked here, once for all packages. It is for tests.
//
// Guarantees: what [Missing] and its kin find missing skips a test, and fails it where the variable CI is "true":
// continuous integration installs everything and runs as root. A [Run] that ends reports every mount, process,
// descriptor and data race that it has left; it never looks at what belongs to a run that is still under way.
//
// Not guaranteed: mounts in other mount namespaces are not seen.
//
// Units: sizes of processes are KiB, as proc_pid_status(5) has them; [Usage] counts blocks and inodes.
//
// Errors: helpers that take a test fail it; the others return errors of the system as they are.
//
// Kernel behaviour: credentials, umask and working directory can belong to one thread (unshare(2), CLONE_FS; setresuid(2),
// "C library/kernel differences"), which [Become] uses: the test goes on as whoever it was.
package hosttest
