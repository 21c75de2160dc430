// Package control is the owner-only Unix socket by which a mount is asked for its status and its files and is told to
// end.
//
// Purpose. The process that serves a mount calls Listen and Serve; commands call Folders, List or Dial. One connection
// carries one request, a line of JSON, and one reply, a line of JSON; only a request for events is answered by as many
// lines as there are events, until the mount ends.
//
// Guarantees. Only root, the daemon's uid and the mount's owner are answered; anybody else is dropped before a byte of
// theirs is read (SO_PEERCRED, unix(7)), and the socket's mode keeps them from connecting in the first place. A request
// is at most MaxRequest bytes and must arrive within RequestTimeout; a connection that has not sent one by then, or
// that is the oldest of MaxWaiting such when another arrives, is closed. A reply that its client does not read is given
// up after ReplyTimeout. So a client that hangs, floods or talks nonsense costs a bounded amount of memory and never
// delays the filesystem. Events wait for each of at most MaxFollowers followers in a buffer of EventBuffer; what does not
// fit is lost to that follower, who is told how many were, and one who has read nothing for ReplyTimeout is dropped.
// Publish never waits. Clients in turn bound what they read, and talk only to a server that owns the folder of the socket and is root or
// themselves; root talks to every owner.
//
// Not guaranteed. Processes of the same uid are not kept apart: whoever may ptrace(2) the daemon may also talk to it.
// Root of the host is nobody inside an unprivileged user namespace: `safetmp run` without privilege answers its own
// user only.
//
// Lock order. Server.mu before Server.followMu. Both are held for bookkeeping only, never while reading, writing or calling the Handler.
//
// Units. Sizes in bytes, durations in nanoseconds (time.Duration), times in RFC 3339.
//
// Errors. *Error carries what the other side said, with its errno: errors.Is(err, unix.EBUSY) holds for a mount in use.
// ErrStale means that nobody listens any more.
//
// Kernel behaviour. A socket path holds at most 107 bytes (unix(7)), so both ends go through /proc/self/fd of the open
// folder: any folder will do, and it cannot be swapped between check and use.
package control
