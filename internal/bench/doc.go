// Package bench measures safetmp beside tmpfs and beside other filesystems of
// its kind.
//
// # Purpose
//
// A Mode is a filesystem to measure, a Row an operation. Runner mounts all
// modes at once and runs each row over them, forwards in one round and
// backwards in the next, so that what else the machine does falls on all alike.
// What counts is the ratio within a row, not the figure.
//
// # Guarantees
//
// The load comes from a process of its own (Worker), one for each cell, on
// locked threads that make system calls without the Go scheduler, collector or
// preemption signals in between: a cell of tmpfs shows what it can do. A cell
// that fails or hangs is reported and ends neither the run nor the mount of
// others. Nothing stays mounted.
//
// # Not guaranteed
//
// Figures of two runs do not compare: the machine is another one each time.
// Differences below the spread that is printed with them are not proved.
//
// # Units
//
// Rates are operations or entries per second, or MB/s of 10^6 bytes; times are
// seconds.
package bench
