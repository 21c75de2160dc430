// Package daemon is the life of one mount: policy, store, filesystem and
// connection are assembled, served, drained, wiped and reported.
//
// # Purpose
//
// Start serves a filesystem that internal/mount attached; Shutdown ends it.
// Every way out of a mount (umount, a signal, the end of `run`, a control
// request, a failed start) goes through the one function finish.
//
// # Guarantees
//
//   - Start returns once the filesystem answers; if it fails, nothing is left
//     mounted and what was set up is wiped.
//   - The end comes in this order: stop serving, drain requests in flight,
//     overwrite every page and buffer, report.
//   - Shutdown may be called from several goroutines and any number of times;
//     each call gets the report of the one end.
//
// # Not guaranteed
//
// A mount that is in use is not ended unless force is set; with force, its users
// get errors. What the kernel cached of the files it frees without overwriting,
// unless it runs with init_on_free=1.
//
// # Lock order
//
//	Daemon.mu    held only to begin the end
package daemon
