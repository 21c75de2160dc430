package control

import (
	"errors"
	"syscall"
	"time"
)

// Limits of the protocol.
const (
	// MaxRequest bounds a request line, in bytes.
	MaxRequest = 4 << 10
	// MaxReply bounds what a client reads of a reply, in bytes.
	MaxReply = 32 << 20
	// MaxFiles bounds the entries of one reply, so that it stays below MaxReply whatever their names are.
	MaxFiles = 10_000
	// MaxWaiting bounds the connections that have not sent their request yet.
	MaxWaiting = 16
	// MaxServing bounds the requests answered at once.
	MaxServing = 16
	// MaxFollowers bounds the connections that are sent events.
	MaxFollowers = 8
	// EventBuffer bounds the events that wait for one follower; beyond it events are lost to that follower, and counted.
	EventBuffer = 256
	// MaxEvent bounds what a client reads of one event, in bytes.
	MaxEvent = 64 << 10
	// RequestTimeout bounds how long a client may take to send its request.
	RequestTimeout = 5 * time.Second
	// ReplyTimeout bounds how long a client may take to read its reply.
	ReplyTimeout = 15 * time.Second
	// StatusTimeout and FilesTimeout bound how long a client waits for a reply. A long list is made and sent while
	// the daemon serves its filesystem.
	StatusTimeout = 5 * time.Second
	FilesTimeout  = 30 * time.Second
)

// Operations.
const (
	opStatus  = "status"
	opFiles   = "files"
	opUnmount = "unmount"
	opEvents  = "events"
)

// request is one line from a client.
type request struct {
	Op    string `json:"op"`
	Force bool   `json:"force,omitempty"` // unmount only
}

// reply is one line from the server: an error or the result of the operation.
type reply struct {
	Error  *Error  `json:"error,omitempty"`
	Status *Status `json:"status,omitempty"`
	Files  []File  `json:"files,omitempty"`
	More   int     `json:"more,omitempty"` // entries left out of Files
	Report *Report `json:"report,omitempty"`
	Event  *Event  `json:"event,omitempty"` // one of many, to opEvents alone
}

// Error is a failure that the other side reported.
type Error struct {
	Errno   syscall.Errno `json:"errno"` // 0 if the failure has none
	Message string        `json:"message"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Is matches the errno.
func (e *Error) Is(target error) bool {
	errno, ok := target.(syscall.Errno)
	return ok && errno != 0 && errno == e.Errno
}

// errorReply puts an error of the Handler into a reply.
func errorReply(err error) reply {
	e := &Error{Message: err.Error()}
	_ = errors.As(err, &e.Errno)
	return reply{Error: e}
}
