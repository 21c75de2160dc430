// Package lean makes a process that is set up and will mostly wait small.
//
// Purpose. A machine may have hundreds of mounts, each with a daemon and a watcher. Most of the resident memory of such a
// process after its start, and after work, are pages of the program's file; Shrink gives them back, and what the heap does not need.
// Settle does so whenever work has ended, starting included, whose last steps come after a first Shrink, and gives back what comes
// in at rest.
//
// Guarantees. Nothing changes but the speed of what runs next: pages that were given back are mapped again from the page
// cache when they are touched.
//
// Not guaranteed. How small: pages that are written to, and those of other mappings, stay.
//
// Units. Addresses.
//
// Errors. None: a process that cannot look at itself stays as it is.
//
// Kernel behaviour. madvise(2) MADV_DONTNEED on a private mapping of a file drops the pages; those that were never
// written come back from the file.
package lean
