package hosttest

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Errname is the name of an errno, "ok" without an error.
func Errname(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &errno):
		return err.Error()
	case errno == unix.EOPNOTSUPP:
		return "EOPNOTSUPP" // Linux has one number for this and ENOTSUP
	}
	return unix.ErrnoName(errno)
}
