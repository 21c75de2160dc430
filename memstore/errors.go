package memstore

import (
	"errors"
	"fmt"
)

// The closed set of error kinds. Every error of this package matches exactly one of them with errors.Is; context is added
// by wrapping. A caller that speaks errno needs one row for each, the errno named here is the one a user of tmpfs(5) expects.
var (
	// ErrNoSpace says that the store's size limit leaves no room for the request, or that the kernel refused the memory (ENOSPC).
	ErrNoSpace = errors.New("no space left in the store")

	// ErrNoInodes says that the store's inode limit is reached (ENOSPC, as tmpfs answers when nr_inodes is used up).
	ErrNoInodes = errors.New("no inodes left in the store")

	// ErrQuota says that the owner's share of bytes or inodes is used up while the store itself may have room (EDQUOT).
	ErrQuota = errors.New("owner's share of the store is used up")

	// ErrFileTooBig says that a blob would have to reach beyond MaxSize (EFBIG).
	ErrFileTooBig = errors.New("beyond the largest file size")

	// ErrNoData says that a seek began at or after the end, or that only a hole follows (ENXIO, lseek(2)).
	ErrNoData = errors.New("no data at or after the offset")

	// ErrInvalid says that an argument makes no sense, or that a blob or store was used after its end (EINVAL).
	ErrInvalid = errors.New("invalid argument")

	// ErrNotLocked says that memory could not be locked although Config.Lock or Config.Keys requires it (EPERM). Only New
	// returns it.
	ErrNotLocked = errors.New("memory cannot be locked")

	// ErrNoFiles says that there can be no tmpfs of the store's own, as Config.Files wants it (EPERM). Only New returns it.
	ErrNoFiles = errors.New("no private tmpfs")

	// ErrCorrupt says that contents were changed in memory by somebody else (EIO). Only an encrypted store can tell.
	ErrCorrupt = errors.New("fails authentication")
)

// CorruptError names the page of a blob that fails authentication. It matches ErrCorrupt.
type CorruptError struct {
	Page int64 // its number, from 0
}

// Error names the page.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("memstore: page %d: %v", e.Page, ErrCorrupt)
}

// Is says that it is an ErrCorrupt.
func (e *CorruptError) Is(kind error) bool { return kind == ErrCorrupt }

// Wrapped once, so that refusing costs no allocation.
var (
	errOffset  = fmt.Errorf("memstore: negative offset or length: %w", ErrInvalid)
	errFreed   = fmt.Errorf("memstore: blob used after Free: %w", ErrInvalid)
	errNotFile = fmt.Errorf("memstore: not a blob in a file: %w", ErrInvalid)
	errClosed  = fmt.Errorf("memstore: store used after Close: %w", ErrInvalid)
)
