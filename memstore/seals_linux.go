package memstore

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seals holds, for each page of an encrypted arena, the version that it was sealed with last. It lies apart from the pages and
// their tags, so that an old page put back together with its tag is found out. The numbers are no secret.
type seals struct {
	raw      []byte // immutable; as mapped
	versions []uint64
}

const sealsPerSlab = slabPages * 8 // bytes

func newSeals(slabs int) (*seals, error) {
	raw, err := unix.Mmap(-1, 0, slabs*sealsPerSlab, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("memstore: reserving %d bytes for versions of pages: %w: %w", slabs*sealsPerSlab, ErrNoSpace, err)
	}
	return &seals{raw: raw, versions: unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(raw))), slabs*slabPages)}, nil
}

// version returns what a page was sealed with last; 0 when it was not written to, and in a plain arena.
func (s *seals) version(r pageRef) uint64 {
	if s == nil {
		return 0
	}
	return s.versions[r-1]
}

// set notes what a page was sealed with. Preconditions: the caller owns the page, the arena is encrypted.
func (s *seals) set(r pageRef, version uint64) { s.versions[r-1] = version }

// forget marks n pages from r on as never written to. Preconditions: the caller owns them and has overwritten them.
func (s *seals) forget(r pageRef, n int) {
	if s != nil {
		clear(s.versions[r-1:][:n])
	}
}

// drop gives the memory for a slab back. Preconditions: no page of the slab is used.
func (s *seals) drop(slab uint32) {
	if s != nil {
		at := int(slab) * sealsPerSlab
		_ = unix.Madvise(s.raw[at:at+sealsPerSlab], unix.MADV_DONTNEED) // all zero, before and after
	}
}

func (s *seals) unmap() {
	if s == nil {
		return
	}
	if err := unix.Munmap(s.raw); err != nil {
		panic("memstore: munmap: " + err.Error())
	}
	s.raw, s.versions = nil, nil
}
