package fs

import (
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/memstore"
)

// storeErrnos says which errno a limit or a fault of the store becomes.
var storeErrnos = []struct {
	kind  error
	errno syscall.Errno
}{
	{memstore.ErrNoSpace, syscall.ENOSPC},
	{memstore.ErrNoInodes, syscall.ENOSPC},
	{memstore.ErrQuota, syscall.EDQUOT},
	{memstore.ErrFileTooBig, syscall.EFBIG},
	{memstore.ErrNoData, syscall.ENXIO},
	{memstore.ErrInvalid, syscall.EINVAL},
	{memstore.ErrCorrupt, syscall.EIO},
}

// toStatus is the one place where an error becomes the errno that a program
// sees. It looks through wrapped errors, and what it does not know is EIO:
// go-fuse's own ToStatus makes ENOSYS of a wrapped errno, which tells the
// kernel never to send that operation again.
func toStatus(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	for _, row := range storeErrnos {
		if errors.Is(err, row.kind) {
			return fuse.Status(row.errno)
		}
	}
	var carried interface{ Errno() syscall.Errno }
	if errors.As(err, &carried) {
		return fuse.Status(carried.Errno())
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && errno > 0 {
		return fuse.Status(errno)
	}
	return fuse.EIO
}
