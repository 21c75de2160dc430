// Package sessions tells whether the last process of a POSIX session has ended.
//
// # Purpose
//
// The lifetime owner-exit removes what a session has made once nobody of it is
// left. The kernel tells nobody of that moment, so a Tracker looks at intervals.
//
// # Guarantees
//
//   - The id of a session is never that of another one, although the kernel uses
//     its number again.
//   - A session is said to have ended only if no process of it is left but
//     zombies, as far as /proc shows processes.
//   - The usual case, that the session's leader lives, costs the reading of one
//     file for each session and Poll. All of /proc is read only when the process
//     that was known to be of the session has gone.
//
// # Not guaranteed
//
// Where /proc hides the processes of other users (hidepid, proc(5)), those of a
// session that changed their uid are not seen. A process that is hidden itself
// has no session here.
//
// # Lock order
//
//	Tracker.mu    held while /proc is read
//
// # Errors
//
// None: what cannot be read is not known, and what is not known has not ended.
package sessions
