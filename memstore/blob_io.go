package memstore

// ReadAt copies bytes from off on into dst and returns how many: fewer than asked for at the end of the blob, 0 at or beyond
// it; there is no io.EOF, as with pread(2). Holes read as zeros. It writes to dst[:n] only and allocates nothing. The only
// error is ErrInvalid: a negative offset, or use after Free or Close.
func (b *Blob) ReadAt(dst []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errOffset
	}
	if err := b.rlock(); err != nil {
		return 0, err
	}
	defer b.runlock()
	left := b.size.Load() - off
	if left <= 0 {
		return 0, nil
	}
	dst = dst[:min(int64(len(dst)), left)]
	n := len(dst)
	b.eachLocked(off, int64(n), func(r pageRef, from, to int) {
		b.s.readPage(dst[:to-from], r, from)
		dst = dst[to-from:]
	})
	return n, nil
}

// WriteAt copies src to the bytes from off on, growing the blob if it must, and returns how many it wrote. It never changes
// src. When there is no room for all of it as much as fits is written and the error is nil, as with pwrite(2); when nothing
// fits the error is ErrNoSpace or ErrQuota and the blob is as before. ErrFileTooBig at MaxSize, ErrInvalid for a negative
// offset or after Free or Close. Where all pages exist it allocates nothing.
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
	n, err := b.roomLocked(off, min(int64(len(src)), MaxSize-off))
	if n == 0 {
		return 0, err
	}
	src = src[:n]
	b.eachLocked(off, n, func(r pageRef, from, to int) {
		b.s.writePage(r, from, src[:to-from])
		src = src[to-from:]
	})
	b.size.Store(max(b.size.Load(), off+n))
	return int(n), nil
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

// eachLocked calls visit for the pages under n bytes from off on, in order, each with the part of it that is meant. For a hole
// the reference is hole. Preconditions: mu is held.
func (b *Blob) eachLocked(off, n int64, visit func(r pageRef, from, to int)) {
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
			visit(r, int(from), int(to))
			off += to - from
		}
	}
}

// pagesFor returns how many pages hold n bytes. It does not overflow up to MaxSize.
func pagesFor(n int64) int64 {
	return int64((uint64(n) + PageSize - 1) >> pageShift)
}
