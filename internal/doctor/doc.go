// Package doctor examines a machine: whether `safetmp mount` and `safetmp run` work on it, and which of their promises it
// weakens.
//
// # Purpose
//
// Host looks at this machine and tries things out; Examine judges what was seen. Examine is pure: it reads a System,
// which tests make up, so that every verdict has a test whatever machine the tests run on.
//
// # Guarantees
//
//   - What decides about `mount` and `run` is tried, not guessed: /dev/fuse is opened, a process is started in the
//     namespaces of `run`, a FUSE filesystem and a /proc are mounted in them, half of memory is locked and unlocked.
//   - Nothing of it stays: the mounts are in a mount namespace that ends with the process, the locked range has no
//     pages.
//   - A file that cannot be read never counts as good news.
//
// # Not guaranteed
//
// What is true now may not be later: swap can be switched on after the doctor has gone. Whether a block device is
// encrypted is told by the device mapper (dm-crypt); a disk that encrypts by itself looks plain.
//
// # Errors
//
// Only Host returns them, if the machine's memory cannot be read. Everything else that fails is a finding.
//
// # Kernel behaviour
//
// The INIT request of a fresh FUSE mount carries the protocol version and a flag for each feature (fuse(4)); the trial
// reads it and never answers.
package doctor
