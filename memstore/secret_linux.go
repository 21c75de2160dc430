package memstore

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// secretMemory is locked memory that is in no core file and no forked child, taken bit by bit and given back at once.
type secretMemory struct {
	bytes  []byte // immutable
	left   []byte // the part that is not taken
	kind   string // immutable; for a person
	locked bool   // immutable
}

// reserve gets n bytes. With KeysSecret they are memfd_secret(2) memory, which the kernel itself does not map: not even root
// reads it through /proc or ptrace(2).
func (m *secretMemory) reserve(n int, how KeyMemory) (err error) {
	n = (n + PageSize - 1) &^ (PageSize - 1)
	if how == KeysSecret {
		m.bytes, err = mapSecret(n)
		m.kind, m.locked = "secret", true
	} else {
		m.bytes, err = unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		m.kind = "locked"
	}
	if err != nil {
		return fmt.Errorf("memstore: %d bytes for keys: %w: %w", n, ErrNotLocked, err)
	}
	m.left = m.bytes
	clear(m.bytes) // so that no fault comes later: 90 microseconds a page where it is secret
	if err := m.protect(how); err != nil {
		m.release()
		return err
	}
	return nil
}

// mapSecret maps n bytes that only this process can see.
func mapSecret(n int) ([]byte, error) {
	fd, err := unix.MemfdSecret(unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_secret (Linux 5.14; before 6.5 with secretmem.enable=1): %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		return nil, err
	}
	return unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// protect locks the memory and keeps it out of core files and children.
func (m *secretMemory) protect(how KeyMemory) error {
	for _, advice := range []int{unix.MADV_DONTDUMP, unix.MADV_DONTFORK} {
		// memfd_secret memory is in no core file anyway, and says EINVAL.
		if err := unix.Madvise(m.bytes, advice); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("memstore: keeping keys out of dumps and children: madvise %d: %w: %w", advice, ErrInvalid, err)
		}
	}
	if m.locked {
		return nil
	}
	err := unix.Mlock(m.bytes)
	if m.locked = err == nil; m.locked {
		return nil
	}
	if how == KeysAnywhere {
		m.kind = "not locked: " + lockHint(len(m.bytes), err)
		return nil
	}
	return fmt.Errorf("memstore: keys: %s: %w", lockHint(len(m.bytes), err), ErrNotLocked)
}

// take returns the next n bytes.
func (m *secretMemory) take(n int) []byte {
	p := m.left[:n:n]
	m.left = m.left[n:]
	return p
}

// release overwrites everything and gives it back.
func (m *secretMemory) release() {
	clear(m.bytes)
	if err := unix.Munmap(m.bytes); err != nil {
		panic("memstore: munmap: " + err.Error())
	}
	m.bytes, m.left = nil, nil
}
