// Package suites holds safetmp against suites that were written for ordinary
// filesystems, and against the host's tmpfs call by call.
//
// # Purpose
//
// A program that runs on tmpfs must not meet a system call that surprises it
// here, other than the refusals of the policy. The measure is the same suite
// on tmpfs and on safetmp:
//
//   - TestModel: random sequences of system calls, in lock step on both, every
//     result, errno, stat field, change of a time and content compared.
//   - TestConcurrency: several processes on the same names and files, then the
//     whole filesystem held against itself and its accounting.
//   - TestExercise, after fsx: random reads, writes, truncates, mappings, holes,
//     copies and splices against a shadow copy.
//   - TestPosix, TestStress, TestFio: go-fuse's posixtest, the filesystem
//     stressors of stress-ng and fio with verification.
//
// Each runs over the configurations of matrix_test.go. docs/conformance.md has
// the results side by side.
//
// # Guarantees
//
//   - differences_test.go lists every difference that a suite tolerates, with
//     its reason. What is not listed fails.
//   - Each mount is bounded in time: past its bound the connection is aborted,
//     so that nothing waits for ever inside the kernel.
//   - A mount of [mountChecked] is held against itself before it ends: the tree
//     against the store, the store against its own books, the accounting back
//     at zero.
//
// # Not guaranteed
//
// The suites need root. Where the environment says CI=true a missing program
// fails, elsewhere it skips with its reason.
//
// # Units
//
// Sizes are bytes, block counts are those of stat(2).
//
// # Kernel behaviour
//
// The daemon is always a process of its own: a process that serves itself can
// wait for itself. SOAK=1 runs everything for much longer.
package suites
