package mount

import (
	"errors"
	"strings"
)

// Causes of a failure that have an exit code of their own. Each is wrapped in an *Error.
var (
	// ErrNoMountpoint: the directory does not exist.
	ErrNoMountpoint = errors.New("no such directory")
	// ErrNotDirectory: the mountpoint is something else than a directory.
	ErrNotDirectory = errors.New("not a directory")
	// ErrNotEmpty: the directory holds files, which the mount would hide.
	ErrNotEmpty = errors.New("directory not empty")
	// ErrAlreadyMounted: a safetmp is mounted there.
	ErrAlreadyMounted = errors.New("a safetmp is already mounted there")
	// ErrNotPermitted: the caller may not mount or unmount there.
	ErrNotPermitted = errors.New("not permitted")
	// ErrNoDevice: /dev/fuse is missing or cannot be opened.
	ErrNoDevice = errors.New("no usable /dev/fuse")
	// ErrNoHelper: the caller needs fusermount3 and it is not installed.
	ErrNoHelper = errors.New("fusermount3 not found")
	// ErrNotSafetmp: nothing is mounted there, or something else.
	ErrNotSafetmp = errors.New("not a safetmp mount")
)

// Error is a failure to mount or unmount.
type Error struct {
	Op     string // "mount", "unmount", or empty
	Path   string
	Err    error  // one of the sentinels, or an errno
	Detail string // what the kernel or the helper said, if more is known
	hint   string
}

// Error returns one line.
func (e *Error) Error() string {
	var said []string
	for _, part := range []string{e.Op, e.Path, e.Err.Error(), e.Detail} {
		if part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the caller may try, empty if there is nothing to say.
func (e *Error) Hint() string { return e.hint }

// caused joins a sentinel with the errno behind it: both match errors.Is, the line shows both once.
func caused(sentinel, errno error) error { return &cause{sentinel, errno} }

type cause struct{ sentinel, errno error }

func (c *cause) Error() string   { return c.sentinel.Error() + " (" + c.errno.Error() + ")" }
func (c *cause) Unwrap() []error { return []error{c.sentinel, c.errno} }
