// Package volume keeps the volumes of one container engine: each is a safetmp mount, served by a process of its own, that
// outlives whoever started it.
//
// # Purpose
//
// Open returns the Manager of a state folder, with the volumes that an earlier one left there. The Docker plugin and the
// Kubernetes driver translate the calls of their protocols into Create, Mount, Unmount, Remove, Get and List.
//
// # Guarantees
//
//   - A volume is served from its first Mount to its Remove. Between the two its daemon depends on no other process of
//     ours: the Manager may be killed and opened again.
//   - Every call is idempotent: repeated, also after a Manager was killed in its midst, it has the effect of one.
//   - Remove returns once the contents are overwritten. It refuses while the volume has users.
//   - A volume whose daemon was killed is not silently replaced by an empty one under the users that it has: Mount
//     refuses until they have let go of it.
//   - What is mounted is what was asked for: a directory is reached without following a symbolic link, and a mount that
//     turns up elsewhere is taken away again.
//   - Records of the state folder are checked when they are read. One that does not hold is set aside, and so is its
//     volume: nothing is unmounted or removed on its word.
//   - Operations on one volume wait for each other, those on different volumes do not.
//
// # Not guaranteed
//
// Without a cgroup hierarchy that may be changed, memory is charged to the Manager's group.
//
// # Lock order
//
//	volume.mu      one operation on the volume
//	  Manager.mu   the table, and what is promised to all volumes together
//
// # Units
//
// Sizes in bytes.
//
// # Errors
//
// ErrName, ErrNotFound, ErrInUse, ErrDiffers, ErrLimit, ErrLost, ErrTarget; *config.UsageError for an option; those of
// package launch for a mount that failed.
package volume
