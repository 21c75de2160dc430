package memstore

// The bytes of pages are read and written by blobs through the three methods here and through nothing else; only the wiper
// and Check look at them from outside. Whatever is to be done to contents on their way in and out belongs here.

// readPage copies len(dst) bytes of a page, from a place in it. Reading a hole gives zeros.
func (s *Store) readPage(dst []byte, r pageRef, from int) {
	if r == hole {
		clear(dst)
		return
	}
	copy(dst, s.arena.page(r)[from:])
}

// writePage copies src, which it leaves alone, into a page. Preconditions: the page is no hole, src fits.
func (s *Store) writePage(r pageRef, at int, src []byte) {
	copy(s.arena.page(r)[at:], src)
}

// zeroPage makes the bytes [from, to) of a page zero. A hole is zero already.
func (s *Store) zeroPage(r pageRef, from, to int) {
	if r != hole {
		clear(s.arena.page(r)[from:to])
	}
}
