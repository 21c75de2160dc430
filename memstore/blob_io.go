package memstore

// ReadAt copies bytes from off on into dst and returns how many: fewer than asked for at the end of the blob, 0 at or beyond
// it; there is no io.EOF, as with pread(2). Holes read as zeros. It writes to dst[:n] only and allocates nothing, unless the
// blob's key has to be expanded. ErrInvalid for a negative offset or after Free or Close; ErrCorrupt for a page that fails
// authentication: nothing was read then, and dst is zero as far as it was written to.
func (b *Blob) ReadAt(dst []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errOffset
	}
	if err := b.rlock(); err != nil {
		return 0, err
	}
	defer b.runlock()
	if b.InFile() {
		return b.fileLocked().readAt(dst, off)
	}
	left := b.size.Load() - off
	if left <= 0 {
		return 0, nil
	}
	dst = dst[:min(int64(len(dst)), left)]
	c, err := b.beginLocked()
	if err != nil {
		return 0, err
	}
	defer c.end()
	done := 0
	err = b.eachLocked(off, int64(len(dst)), func(i int64, r pageRef, from, to int) error {
		part := dst[done : done+to-from]
		done += to - from
		return b.s.readPage(c, part, i, r, from)
	})
	if err != nil {
		clear(dst[:done])
		return 0, err
	}
	return done, nil
}

// WriteAt copies src to the bytes from off on, growing the blob if it must, and returns how many it wrote. It never changes
// src. When there is no room for all of it as much as fits is written and the error is nil, as with pwrite(2); when nothing
// fits the error is ErrNoSpace or ErrQuota and the blob is as before. ErrFileTooBig at MaxSize, ErrInvalid for a negative
// offset or after Free or Close. ErrCorrupt when a page that is written to in part fails authentication; what comes before it is
// written. Where all pages exist it allocates nothing, unless the blob's key has to be expanded.
func (b *Blob) WriteAt(src []byte, off int64) (int, error) {
	switch {
	case off < 0:
		return 0, errOffset
	case len(src) == 0:
		return 0, nil
	case off == MaxSize:
		return 0, ErrFileTooBig
	}
	if err := b.lock(); err != nil {
		return 0, err
	}
	defer b.unlock()
	if b.InFile() {
		return b.fileLocked().writeAt(src, off)
	}
	n, err := b.roomLocked(off, min(int64(len(src)), MaxSize-off))
	if n == 0 {
		return 0, err
	}
	done, err := b.putLocked(src[:n], off)
	if done == 0 {
		return 0, err
	}
	b.size.Store(max(b.size.Load(), off+int64(done)))
	return done, nil
}

// putLocked writes src into pages that exist and returns how many bytes it wrote before an error. Preconditions: mu is held for
// writing.
func (b *Blob) putLocked(src []byte, off int64) (done int, err error) {
	c, err := b.beginLocked()
	if err != nil {
		return 0, err
	}
	defer c.end()
	err = b.eachLocked(off, int64(len(src)), func(i int64, r pageRef, from, to int) error {
		if err := b.s.writePage(c, i, r, from, src[done:done+to-from]); err != nil {
			return err
		}
		done += to - from
		return nil
	})
	return done, err
}

// roomLocked makes the pages under n bytes from off on exist and returns n, or, when they do not all fit, how many bytes from
// off on do. It returns an error only with 0. Preconditions: mu is held for writing, n > 0.
func (b *Blob) roomLocked(off, n int64) (int64, error) {
	from, to := off>>pageShift, pagesFor(off+n)
	if b.provideLocked(from, to) == nil {
		return n, nil
	}
	for i := from; i < to; i++ {
		if err := b.provideLocked(i, i+1); err != nil {
			if i == from {
				return 0, err
			}
			return i<<pageShift - off, nil
		}
	}
	return n, nil // room was made in between
}

// eachLocked calls visit for the pages under n bytes from off on, in order, each with its number and the part of it that is
// meant, until visit fails. For a hole the reference is hole. Preconditions: mu is held.
func (b *Blob) eachLocked(off, n int64, visit func(i int64, r pageRef, from, to int) error) error {
	end := off + n
	for off < end {
		first := off >> pageShift
		refs, next := b.table.segment(first, pagesFor(end))
		for i := first; i < next; i++ {
			r := hole
			if k := int(i - first); k < len(refs) {
				r = refs[k]
			}
			from := off & (PageSize - 1)
			to := min(end-i<<pageShift, PageSize)
			if err := visit(i, r, int(from), int(to)); err != nil {
				return err
			}
			off += to - from
		}
	}
	return nil
}

// pagesFor returns how many pages hold n bytes. It does not overflow up to MaxSize.
func pagesFor(n int64) int64 {
	return int64((uint64(n) + PageSize - 1) >> pageShift)
}
