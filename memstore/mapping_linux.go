package memstore

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is one private anonymous address range and everything that the kernel is asked about it.
//
// The range is reserved inaccessible, which costs address space only and is not accounted under vm.overcommit_memory=2; a slab
// is made writable when memory is put behind it. MADV_DONTDUMP keeps the range out of core files, MADV_DONTFORK out of
// forked children (madvise(2)).
type mapping struct {
	raw   []byte // immutable; as mapped, for munmap
	bytes []byte // immutable; the part that begins on a slab boundary

	wholeLocked bool        // immutable
	lockReason  string      // immutable; why wholeLocked is false
	lockSlabs   atomic.Bool // slabs are worth an mlock of their own
}

// reserve maps size bytes, a multiple of the slab size, on a slab boundary.
func (m *mapping) reserve(size int, mode LockMode) error {
	raw, err := unix.Mmap(-1, 0, size+slabSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("memstore: reserving %d bytes of address space (see ulimit -v): %w: %w", size, ErrNoSpace, err)
	}
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % slabSize)
	m.raw, m.bytes = raw, raw[skip:skip+size:skip+size]
	for _, advice := range []int{unix.MADV_DONTDUMP, unix.MADV_DONTFORK} {
		if err := unix.Madvise(m.bytes, advice); err != nil {
			m.unmap()
			return fmt.Errorf("memstore: keeping memory out of dumps and children: madvise %d: %w: %w", advice, ErrInvalid, err)
		}
	}
	// Slabs are huge pages where the kernel has them, and slower but not wrong where it has not. Slabs come and go whole, so it
	// costs no memory. Medians of three on a virtual machine whose page faults are dear, with and without: first write
	// 5.5 and 1.0 GB/s, wiping and unmapping 20 and 1.2 GB/s; no difference once the memory is there.
	_ = unix.Madvise(m.bytes, unix.MADV_HUGEPAGE)
	return m.lock(mode)
}

// lock locks the whole range at once if that is permitted. With MLOCK_ONFAULT (mlock2(2)) nothing becomes resident now, and
// every page is locked the moment that it does, so a promise made here cannot fail later.
func (m *mapping) lock(mode LockMode) error {
	if mode == LockNever {
		m.lockReason = "locking was not asked for"
		return nil
	}
	_, _, errno := unix.Syscall(unix.SYS_MLOCK2, uintptr(unsafe.Pointer(unsafe.SliceData(m.bytes))), uintptr(len(m.bytes)), unix.MLOCK_ONFAULT)
	if errno == 0 {
		m.wholeLocked = true
		return nil
	}
	m.lockReason = lockHint(len(m.bytes), errno)
	if mode == LockRequire {
		m.unmap()
		return fmt.Errorf("memstore: %s: %w: %w", m.lockReason, ErrNotLocked, errno)
	}
	m.lockSlabs.Store(true)
	return nil
}

// lockHint says why mlock2 failed and what would help. EPERM means a limit of zero, ENOMEM a limit that is too low (mlock(2)).
func lockHint(size int, errno error) string {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &lim); err != nil {
		return fmt.Sprintf("locking %d bytes failed (%v)", size, errno)
	}
	return fmt.Sprintf("locking %d bytes failed (%v): the limit is %d bytes, raise ulimit -l or grant CAP_IPC_LOCK", size, errno, lim.Cur)
}

// populate puts zeroed memory behind a slab, in one call instead of one fault for each page, and locks it if that is still to
// be done and possible. An error leaves the slab as it was.
func (m *mapping) populate(slab []byte, writable, locked bool) (nowLocked bool, err error) {
	if !writable {
		if err := unix.Mprotect(slab, unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return false, err
		}
	}
	if err := populateWrite(slab); err != nil {
		_, _ = m.drop(slab, locked || m.wholeLocked, !writable)
		return false, err
	}
	if !locked && m.lockSlabs.Load() {
		locked = unix.Mlock(slab) == nil
		m.lockSlabs.Store(locked) // the limit stays reached, since slabs are never unlocked
	}
	return locked, nil
}

// populateWrite prefaults a slab for writing. MADV_POPULATE_WRITE came with Linux 5.14; before it, each page is touched.
func populateWrite(slab []byte) error {
	for {
		err := unix.Madvise(slab, unix.MADV_POPULATE_WRITE)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case errors.Is(err, unix.EINVAL):
			touch(slab)
			return nil
		default:
			return err
		}
	}
}

// touch writes to every page of a slab, so that none is missing later.
func touch(slab []byte) {
	for i := 0; i < len(slab); i += PageSize {
		slab[i] = 0
	}
}

// drop gives the memory behind a slab back; what is read there later is zero. With guard the slab also becomes inaccessible,
// so that a stray reference faults instead of reading zeros; guarded says whether it did.
//
// Locked memory goes back only since Linux 5.18 (MADV_DONTNEED_LOCKED, madvise(2)); before that the error is EINVAL and the
// slab stays as it is, mapped and locked.
func (m *mapping) drop(slab []byte, locked, guard bool) (guarded bool, err error) {
	advice := unix.MADV_DONTNEED
	if locked || m.wholeLocked {
		advice = unix.MADV_DONTNEED_LOCKED
	}
	if err := unix.Madvise(slab, advice); err != nil {
		return false, err
	}
	return guard && unix.Mprotect(slab, unix.PROT_NONE) == nil, nil
}

// unmap gives the address range back. Preconditions: nothing uses it.
func (m *mapping) unmap() {
	if err := unix.Munmap(m.raw); err != nil {
		panic("memstore: munmap: " + err.Error())
	}
	m.raw, m.bytes = nil, nil
}
