package memstore

// The bytes of pages are read and written by blobs through the methods here and through nothing else; only the wiper and Check
// look at them from outside. In an encrypted store each takes the session of the operation, which is nil in a plain one and for
// a blob without pages. A page whose version is 0 was not written to since it was made, and is all zero.

// readPage copies len(dst) bytes of page i of a blob, from a place in it. Reading a hole gives zeros. A whole page is decrypted
// right into dst. The error is a CorruptError.
func (s *Store) readPage(c *session, dst []byte, i int64, r pageRef, from int) error {
	switch {
	case r == hole:
		clear(dst)
	case c == nil:
		copy(dst, s.arena.page(r)[from:])
	case s.arena.seals.version(r) == 0:
		clear(dst)
	case len(dst) == PageSize:
		return c.open(dst, s.arena.page(r), i, s.arena.seals.version(r))
	default:
		defer clear(c.scratch)
		if err := c.open(c.scratch, s.arena.page(r), i, s.arena.seals.version(r)); err != nil {
			return err
		}
		copy(dst, c.scratch[from:])
	}
	return nil
}

// writePage copies src, which it leaves alone, into page i of a blob. The error is a CorruptError, or that the key is worn out.
//
// Preconditions: the page is no hole, src fits, the blob's mu is held for writing.
func (s *Store) writePage(c *session, i int64, r pageRef, at int, src []byte) error {
	switch {
	case c == nil:
		copy(s.arena.page(r)[at:], src)
		return nil
	case len(src) == PageSize:
		return s.sealPage(c, i, r, src)
	}
	return s.changePage(c, i, r, func(p []byte) { copy(p[at:], src) })
}

// zeroPage makes the bytes [from, to) of page i of a blob zero. A hole is zero already. Errors and preconditions as writePage.
func (s *Store) zeroPage(c *session, i int64, r pageRef, from, to int) error {
	switch {
	case r == hole:
		return nil
	case c == nil:
		clear(s.arena.page(r)[from:to])
		return nil
	case to-from == PageSize:
		s.arena.wipe([]pageRef{r})
		return nil
	case s.arena.seals.version(r) == 0:
		return nil
	}
	return s.changePage(c, i, r, func(p []byte) { clear(p[from:to]) })
}

// changePage decrypts a page into locked memory, changes it there and encrypts it again.
func (s *Store) changePage(c *session, i int64, r pageRef, change func(p []byte)) error {
	defer clear(c.scratch)
	if v := s.arena.seals.version(r); v != 0 {
		if err := c.open(c.scratch, s.arena.page(r), i, v); err != nil {
			return err
		}
	}
	change(c.scratch)
	return s.sealPage(c, i, r, c.scratch)
}

// sealPage encrypts src, a whole page, into page i of a blob.
func (s *Store) sealPage(c *session, i int64, r pageRef, src []byte) error {
	version, err := c.seal(s.arena.page(r), src, i)
	if err == nil {
		s.arena.seals.set(r, version)
	}
	return err
}

// beginLocked returns the session for one operation on the blob's pages, nil when there is nothing to decrypt. It is to be
// ended. It fails with ErrCorrupt if the key was tampered with.
//
// Preconditions: mu is held.
func (b *Blob) beginLocked() (*session, error) {
	if b.key == nil {
		return nil, nil
	}
	return b.s.vault.begin(b.key)
}

// makeKeyLocked gives the blob a key of its own, if its pages are to be encrypted. Preconditions: mu is held for writing, the
// blob has no pages.
func (b *Blob) makeKeyLocked() {
	if b.s.vault != nil {
		b.key = b.s.vault.newKey()
	}
}

// destroyKeyLocked makes whatever the blob holds unreadable. Preconditions: mu is held for writing.
func (b *Blob) destroyKeyLocked() {
	if b.key != nil {
		b.s.vault.destroy(b.key)
		b.key = nil
	}
}

// inClear calls look with page i of a blob as the blob's owner sees it. Preconditions: nobody works on the blob.
func (b *Blob) inClear(r pageRef, i int64, look func(p []byte)) error {
	c, err := b.beginLocked()
	if err != nil {
		return err
	}
	defer c.end()
	if c == nil {
		look(b.s.arena.page(r))
		return nil
	}
	defer clear(c.scratch)
	if err := b.s.readPage(c, c.scratch, i, r, 0); err != nil {
		return err
	}
	look(c.scratch)
	return nil
}
