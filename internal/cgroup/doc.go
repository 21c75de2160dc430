// Package cgroup puts a process into a memory cgroup of its own and takes the group away again.
//
// # Purpose
//
// Each volume is served by a process of its own. In a group of its own its memory is charged to it, not to whoever
// started it, and an out-of-memory kill hits it alone. Open finds the hierarchy, Make makes a group with a limit, Add
// moves a process in, Remove ends what is left in the group and removes it.
//
// # Guarantees
//
//   - A group that Make returns has the limit that was asked for, and its processes cannot be swapped out where the
//     kernel can say so.
//   - A process that Add has moved is in no group of the process that started it, so that whoever ends that one's groups,
//     as an engine ends those of a container, does not end this one.
//   - Remove touches the groups below the parent only; the name of a group never leads out of it.
//
// # Not guaranteed
//
// What the kernel caches for a process outside, the page cache of a mount for example, is charged to that process.
//
// A hierarchy of version 1 beside that of memory that may not be changed keeps the process where it is.
//
// # Units
//
// Limits in bytes; the kernel rounds them to pages.
//
// # Errors
//
// ErrNone: there is no hierarchy that limits memory, or it may not be changed. ErrName: the parent has no such name. Everything else is an error of the
// kernel's files.
//
// # Kernel behaviour
//
// Both hierarchies of cgroups(7) are known: the unified one (memory.max, memory.swap.max; a controller has to be
// switched on for the children in each parent's cgroup.subtree_control) and the memory controller of version 1
// (memory.limit_in_bytes, memory.memsw.limit_in_bytes, which holds memory and swap together). A process is in a group of
// each hierarchy of version 1.
package cgroup
