package memstore

// Truncate sets the size. What lies beyond it is freed (as Free says about when it is overwritten), pages that Allocate put
// beyond the size too, and the rest of the last page is made zero: growing again reads zeros. Growing makes a hole.
//
// ErrInvalid for a negative size or after Free or Close; ErrCorrupt when the last page has to be cut and fails authentication,
// and nothing is changed then.
func (b *Blob) Truncate(size int64) error {
	if size < 0 {
		return errOffset
	}
	if err := b.lock(); err != nil {
		return err
	}
	defer b.unlock()
	if b.InFile() {
		return b.fileLocked().truncate(size)
	}
	if size <= b.size.Load() {
		if size > 0 { // to the end of the page; the sum cannot overflow
			if err := b.zeroLocked(size, min((size-1)|(PageSize-1), MaxSize-1)+1); err != nil {
				return err
			}
		}
		b.cutLocked(pagesFor(size), maxPages)
	}
	b.size.Store(size)
	return nil
}

// Allocate makes every page under n bytes from off on exist, so that writing there cannot fail: all of them, or none and
// ErrNoSpace or ErrQuota. New pages read as zeros. Unless keepSize is set the blob grows to off+n (fallocate(2) with and
// without FALLOC_FL_KEEP_SIZE).
//
// ErrInvalid for off < 0, n <= 0, or after Free or Close; ErrFileTooBig beyond MaxSize.
func (b *Blob) Allocate(off, n int64, keepSize bool) error {
	end, err := checkRange(off, n)
	if err != nil {
		return err
	}
	if err := b.lock(); err != nil {
		return err
	}
	defer b.unlock()
	if b.InFile() {
		return b.fileLocked().allocate(off, end, keepSize)
	}
	return b.allocateLocked(off, end, keepSize)
}

func (b *Blob) allocateLocked(off, end int64, keepSize bool) error {
	from, to := off>>pageShift, pagesFor(end)
	if to-from > int64(b.s.cfg.Limit)>>pageShift { // and missing would walk it leaf by leaf
		return ErrNoSpace
	}
	if err := b.provideLocked(from, to); err != nil {
		return err
	}
	if !keepSize {
		b.size.Store(max(b.size.Load(), end))
	}
	return nil
}

// Punch makes n bytes from off on a hole: pages that lie in it whole are freed, parts of pages are made zero. The size never
// changes (fallocate(2), FALLOC_FL_PUNCH_HOLE). Errors as Allocate, except that it never lacks room, and ErrCorrupt when a page
// of which a part is meant fails authentication.
func (b *Blob) Punch(off, n int64) error {
	end, err := checkRange(off, n)
	if err != nil {
		return err
	}
	if err := b.lock(); err != nil {
		return err
	}
	defer b.unlock()
	if b.InFile() {
		return b.fileLocked().punch(off, end)
	}
	from, to := pagesFor(off), end>>pageShift
	if from > to { // inside one page
		return b.zeroLocked(off, end)
	}
	if err := b.zeroLocked(off, min(from<<pageShift, end)); err != nil {
		return err
	}
	b.cutLocked(from, to)
	return b.zeroLocked(to<<pageShift, end)
}

// Zero makes n bytes from off on read as zeros and, unlike Punch, keeps and makes the pages under them, as Allocate does
// (fallocate(2), FALLOC_FL_ZERO_RANGE). Errors as Allocate; contents are as before then. ErrCorrupt as Punch.
func (b *Blob) Zero(off, n int64, keepSize bool) error {
	end, err := checkRange(off, n)
	if err != nil {
		return err
	}
	if err := b.lock(); err != nil {
		return err
	}
	defer b.unlock()
	if b.InFile() {
		return b.fileLocked().zero(off, end, keepSize)
	}
	if err := b.allocateLocked(off, end, keepSize); err != nil {
		return err
	}
	return b.zeroLocked(off, end)
}

// SeekData returns the first offset at or after off that is in a page which exists (lseek(2), SEEK_DATA). ErrNoData when off
// is at or beyond the size or nothing but a hole follows; ErrInvalid for a negative offset or after Free or Close. A page that
// Allocate made is data, even if nothing was written to it.
func (b *Blob) SeekData(off int64) (int64, error) { return b.seek(off, true) }

// SeekHole returns the first offset at or after off that is in a hole; the end of the blob counts as one (lseek(2), SEEK_HOLE).
// ErrNoData when off is at or beyond the size; ErrInvalid as SeekData.
func (b *Blob) SeekHole(off int64) (int64, error) { return b.seek(off, false) }

func (b *Blob) seek(off int64, data bool) (int64, error) {
	if off < 0 {
		return 0, errOffset
	}
	if err := b.rlock(); err != nil {
		return 0, err
	}
	defer b.runlock()
	if b.InFile() {
		return b.fileLocked().seek(off, data)
	}
	size := b.size.Load()
	if off >= size {
		return 0, ErrNoData
	}
	first, end := off>>pageShift, pagesFor(size)
	i := b.table.seek(first, end, data)
	switch {
	case i == first:
		return off, nil
	case i < end:
		return i << pageShift, nil
	case data:
		return 0, ErrNoData
	default:
		return size, nil
	}
}

// zeroLocked makes the bytes [off, end) zero where pages exist. Preconditions: mu is held for writing.
func (b *Blob) zeroLocked(off, end int64) error {
	c, err := b.beginLocked()
	if err != nil {
		return err
	}
	defer c.end()
	return b.eachLocked(off, end-off, func(i int64, r pageRef, from, to int) error { return b.s.zeroPage(c, i, r, from, to) })
}

// checkRange returns the end of n bytes from off on, or why that is no range.
func checkRange(off, n int64) (end int64, err error) {
	switch {
	case off < 0 || n <= 0:
		return 0, errOffset
	case n > MaxSize-off:
		return 0, ErrFileTooBig
	}
	return off + n, nil
}
