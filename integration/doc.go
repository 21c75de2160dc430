// Package integration holds safetmp against the world from outside: the real
// binary, real mounts, real programs, real attackers. Nothing here imports the
// code under test.
//
// # Purpose
//
// A claim of DESIGN.md is true when a program that knows nothing of safetmp
// meets it. Each semantic test and each program therefore runs on the host's
// tmpfs first, which proves the expectation, and on safetmp second; the table
// in differences.go lists every intended difference with the rule that causes
// it. An unlisted difference fails, and so does a listed one that does not
// occur.
//
// # Guarantees
//
//   - A test through [mountTest] is bounded in time: past its bound the daemon
//     is made to print its stacks and the connection is aborted, so nothing
//     waits for ever inside the kernel.
//   - Every test fails on what it leaves behind: a mount, a daemon, a
//     descriptor into the mount, space still counted as used.
//   - An attack that was never attempted fails, as does one that cannot be
//     shown to work on tmpfs where tmpfs is not itself protected.
//   - A data race that the race detector finds in a daemon fails the test
//     that mounted it.
//
// # Not guaranteed
//
// The tests need root to mount a tmpfs and to act as several users. Without
// it the oracle is a folder of /dev/shm, and what needs a second user is
// skipped with its reason. Where the environment says CI=true nothing may be
// skipped for want of a program or a privilege.
//
// # Threads
//
// A test acts as another user by changing the credentials of its own locked
// thread (see become): the kernel keeps them per thread, and FUSE judges the
// calling thread. Such a goroutine is never unlocked, so that the runtime ends
// the thread with it. A goroutine it starts is root again.
//
// # Units
//
// Sizes are bytes, block counts are the 512-byte blocks of stat(2) unless a
// name says otherwise.
//
// # Kernel behaviour
//
// Written against Linux 6.18; the suite needs nothing newer than 5.10, except
// where a test names the version it asks for.
package integration
