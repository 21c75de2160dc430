package memstore_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

const mib = 1 << 20

// newBlob returns a blob of owner 0 that is freed when the test ends.
func newBlob(t testing.TB, s *memstore.Store) *memstore.Blob {
	b := s.NewBlob(0)
	t.Cleanup(b.Free)
	return b
}

// write writes all of src or fails the test.
func write(t testing.TB, b *memstore.Blob, src []byte, off int64) {
	t.Helper()
	n, err := b.WriteAt(src, off)
	require.NoError(t, err)
	require.Equal(t, len(src), n)
}

// read returns up to n bytes from off on.
func read(t testing.TB, b *memstore.Blob, n int, off int64) []byte {
	t.Helper()
	dst := make([]byte, n)
	n, err := b.ReadAt(dst, off)
	require.NoError(t, err)
	return dst[:n]
}

// pattern returns n bytes, none zero, that differ from page to page.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i)*3 ^ byte(i>>12) | 1
	}
	return p
}

// around are sizes at which a page, a leaf, a directory or the offset itself ends.
var around = []int64{1, page - 1, page, page + 1, 2*mib - 1, 2 * mib, 2*mib + 1, 1<<30 - 1, 1 << 30, 1<<30 + 1, 1 << 40, memstore.MaxSize - 1, memstore.MaxSize}

func forEachSize(t *testing.T, test func(t *testing.T, b *memstore.Blob, size int64)) {
	for _, size := range around {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			plainAndEncrypted(t, func(t *testing.T, encrypt bool) {
				s := memstoretest.New(t, memstore.Config{Limit: 64 * mib, Encrypt: encrypt})
				test(t, newBlob(t, s), size)
			})
		})
	}
}

func TestWriteUpToSize(t *testing.T) {
	forEachSize(t, func(t *testing.T, b *memstore.Blob, size int64) {
		n := min(size, 3*page)
		src := pattern(int(n))
		write(t, b, src, size-n)
		assert.Equal(t, size, b.Size())
		assert.Equal(t, src, read(t, b, int(n)+page, size-n), "reading on beyond the end")
		assert.Empty(t, read(t, b, 1, size), "reading at the end")
		if size > n {
			before := min(size-n, 2*page)
			assert.Equal(t, make([]byte, before), read(t, b, int(before), size-n-before), "the hole before")
		}
	})
}

func TestTruncateToSize(t *testing.T) {
	forEachSize(t, func(t *testing.T, b *memstore.Blob, size int64) {
		start := max(size-2*page, 0)
		src := pattern(int(min(4*page, memstore.MaxSize-start)))
		write(t, b, src, start)
		require.NoError(t, b.Truncate(size))
		assert.Equal(t, size, b.Size())
		assert.Equal(t, src[:size-start], read(t, b, 4*page, start))
		require.NoError(t, b.Truncate(0))
		assert.Zero(t, b.Allocated())
	})
}

func TestGrowAfterShrinkReadsZeros(t *testing.T) {
	forEachSize(t, func(t *testing.T, b *memstore.Blob, size int64) {
		start := max(size-page-10, 0)
		n := min(3*page, memstore.MaxSize-start)
		src := pattern(int(n))
		write(t, b, src, start)
		require.NoError(t, b.Truncate(size))
		require.NoError(t, b.Truncate(start+n))
		got := read(t, b, int(n), start)
		assert.Equal(t, src[:size-start], got[:size-start], "what was kept")
		assert.Equal(t, make([]byte, start+n-size), got[size-start:], "what was cut off and is back")
	})
}

func TestWriteAfterShrinkLeavesZerosBetween(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := newBlob(t, s)
	write(t, b, pattern(page), 0)
	require.NoError(t, b.Truncate(10))
	write(t, b, []byte{7}, 100)
	assert.Equal(t, append(append(pattern(10), make([]byte, 90)...), 7), read(t, b, page, 0))
}

func TestPunchAroundSize(t *testing.T) {
	forEachSize(t, func(t *testing.T, b *memstore.Blob, size int64) {
		start := max(size-3*page, 0)
		src := pattern(int(min(6*page, memstore.MaxSize-start)))
		write(t, b, src, start)
		was := b.Size()
		from := max(size-page-1, start)
		n := min(page+2, memstore.MaxSize-from)
		require.NoError(t, b.Punch(from, n))
		copy(src[from-start:], make([]byte, n))
		assert.Equal(t, was, b.Size(), "punching never changes the size")
		assert.Equal(t, src, read(t, b, len(src), start))
	})
}

func TestPunchFreesWholePagesOnly(t *testing.T) {
	for _, c := range []struct {
		name   string
		off, n int64
		freed  memstore.Pages
	}{
		{"inside a page", 10, 100, 0},
		{"a page less a byte at its front", 1, page - 1, 0},
		{"a page less a byte at its back", 0, page - 1, 0},
		{"a page", page, page, 1},
		{"a page and a byte on both sides", page - 1, page + 2, 1},
		{"two halves", page / 2, page, 0},
		{"all", 0, 8 * page, 8},
		{"all and what never was", 0, memstore.MaxSize, 8},
		{"beyond the end", 8 * page, 1 << 40, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstoretest.New(t, memstore.Config{Limit: mib})
			b := newBlob(t, s)
			src := pattern(8 * page)
			write(t, b, src, 0)
			require.NoError(t, b.Punch(c.off, c.n))
			clear(src[min(c.off, 8*page):min(c.off+c.n, 8*page)])
			assert.Equal(t, 8-c.freed, b.Allocated())
			assert.Equal(t, src, read(t, b, 9*page, 0))
		})
	}
}

func TestAllocate(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 8 * mib})
	b := newBlob(t, s)
	require.NoError(t, b.Allocate(page+1, page, true))
	assert.Zero(t, b.Size())
	assert.EqualValues(t, 2, b.Allocated())
	require.NoError(t, b.Allocate(page+1, page, false))
	assert.EqualValues(t, 2*page+1, b.Size())
	assert.EqualValues(t, 2, b.Allocated(), "what exists is not allocated again")
	assert.Equal(t, make([]byte, 2*page+1), read(t, b, mib, 0))
	require.NoError(t, b.Truncate(2*page+1))
	assert.EqualValues(t, 2, b.Allocated())
	require.NoError(t, b.Allocate(0, mib, true))
	require.NoError(t, b.Truncate(b.Size()))
	assert.EqualValues(t, 3, b.Allocated(), "truncating to the same size frees what lies beyond, as tmpfs does")
}

func TestAllocateAllOrNothing(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 4 * mib})
	b := newBlob(t, s)
	src := pattern(3 * page)
	write(t, b, src, mib)
	before := s.Usage()
	for _, n := range []int64{4 * mib, 5 * mib, 1 << 40, memstore.MaxSize} {
		require.ErrorIs(t, b.Allocate(0, n, false), memstore.ErrNoSpace)
		require.ErrorIs(t, b.Zero(0, n, false), memstore.ErrNoSpace)
	}
	assert.Equal(t, before.Used, s.Usage().Used)
	assert.EqualValues(t, mib+3*page, b.Size())
	assert.Equal(t, src, read(t, b, 3*page, mib), "a refused Zero changes nothing")
}

func TestZero(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 8 * mib})
	b := newBlob(t, s)
	src := pattern(4 * page)
	write(t, b, src, 0)
	require.NoError(t, b.Zero(page/2, 5*page, true))
	clear(src[page/2:])
	assert.Equal(t, src, read(t, b, mib, 0))
	assert.EqualValues(t, 6, b.Allocated())
	require.NoError(t, b.Zero(page/2, 5*page, false))
	assert.EqualValues(t, 5*page+page/2, b.Size())
}

func TestSeekDataAndHole(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 8 * mib})
	b := newBlob(t, s)
	write(t, b, []byte{1}, 5*page+7)
	write(t, b, []byte{1}, 3<<30)
	for _, c := range []struct{ off, data, hole int64 }{
		{0, 5 * page, 0},
		{5*page + 3, 5*page + 3, 3<<30 + 1},
		{6 * page, 3 << 30, 6 * page},
		{3 << 30, 3 << 30, 3<<30 + 1},
	} {
		data, err := b.SeekData(c.off)
		require.NoError(t, err)
		assert.Equal(t, c.data, data, "data from %d", c.off)
		if c.off == 5*page+3 {
			c.hole = 6 * page
		}
		hole, err := b.SeekHole(c.off)
		require.NoError(t, err)
		assert.Equal(t, c.hole, hole, "hole from %d", c.off)
	}
	require.NoError(t, b.Truncate(1<<40))
	_, err := b.SeekData(3<<30 + page)
	require.ErrorIs(t, err, memstore.ErrNoData)
	for _, off := range []int64{1 << 40, memstore.MaxSize} {
		_, err := b.SeekData(off)
		require.ErrorIs(t, err, memstore.ErrNoData)
		_, err = b.SeekHole(off)
		require.ErrorIs(t, err, memstore.ErrNoData)
	}
}

func TestRefusedArguments(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := newBlob(t, s)
	write(t, b, []byte("kept"), 0)
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"read below zero":       {func() error { _, err := b.ReadAt(make([]byte, 1), -1); return err }, memstore.ErrInvalid},
		"write below zero":      {func() error { _, err := b.WriteAt(make([]byte, 1), -1); return err }, memstore.ErrInvalid},
		"write at the end":      {func() error { _, err := b.WriteAt(make([]byte, 1), memstore.MaxSize); return err }, memstore.ErrFileTooBig},
		"truncate below zero":   {func() error { return b.Truncate(-1) }, memstore.ErrInvalid},
		"allocate below zero":   {func() error { return b.Allocate(-1, 1, false) }, memstore.ErrInvalid},
		"allocate nothing":      {func() error { return b.Allocate(0, 0, false) }, memstore.ErrInvalid},
		"allocate beyond":       {func() error { return b.Allocate(memstore.MaxSize, 1, false) }, memstore.ErrFileTooBig},
		"allocate, overflowing": {func() error { return b.Allocate(1, memstore.MaxSize, false) }, memstore.ErrFileTooBig},
		"punch below zero":      {func() error { return b.Punch(-1, 1) }, memstore.ErrInvalid},
		"punch nothing":         {func() error { return b.Punch(0, 0) }, memstore.ErrInvalid},
		"punch beyond":          {func() error { return b.Punch(memstore.MaxSize, 1) }, memstore.ErrFileTooBig},
		"zero nothing":          {func() error { return b.Zero(0, -1, false) }, memstore.ErrInvalid},
		"seek below zero":       {func() error { _, err := b.SeekHole(-1); return err }, memstore.ErrInvalid},
		"negative metadata":     {func() error { return s.ChargeMeta(0, -1) }, memstore.ErrInvalid},
	} {
		assert.ErrorIs(t, c.do(), c.want, name)
	}
	assert.Equal(t, []byte("kept"), read(t, b, 100, 0))
}

func TestWriteStopsAtTheLargestOffset(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := newBlob(t, s)
	n, err := b.WriteAt(pattern(100), memstore.MaxSize-10)
	require.NoError(t, err)
	assert.Equal(t, 10, n)
	assert.EqualValues(t, memstore.MaxSize, b.Size())
	assert.Equal(t, pattern(10), read(t, b, 100, memstore.MaxSize-10))
}

func TestEmptyRequestsDoNothing(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := newBlob(t, s)
	n, err := b.WriteAt(nil, 100)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Zero(t, b.Size())
	assert.Empty(t, read(t, b, 0, 0))
}

func TestUseAfterFree(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := s.NewBlob(0)
	write(t, b, pattern(page), 0)
	b.Free()
	b.Free()
	_, err := b.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, memstore.ErrInvalid)
	_, err = b.WriteAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, memstore.ErrInvalid)
	_, err = b.SeekData(0)
	require.ErrorIs(t, err, memstore.ErrInvalid)
	require.ErrorIs(t, b.Truncate(1), memstore.ErrInvalid)
	require.ErrorIs(t, b.Allocate(0, 1, false), memstore.ErrInvalid)
	require.ErrorIs(t, b.Punch(0, 1), memstore.ErrInvalid)
	require.ErrorIs(t, b.Zero(0, 1, false), memstore.ErrInvalid)
	require.ErrorIs(t, b.SetOwner(1), memstore.ErrInvalid)
	assert.Zero(t, b.Size())
	assert.Zero(t, b.Allocated())
}

func TestSparseFileCostsNoPages(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := newBlob(t, s)
	require.NoError(t, b.Truncate(1<<40))
	assert.Zero(t, s.Usage().Used)
	assert.Zero(t, s.Usage().Resident)
	assert.Equal(t, make([]byte, mib), read(t, b, mib, 1<<39+5))
	assert.Zero(t, b.Allocated(), "reading holes allocates nothing")
	write(t, b, []byte{9}, 1<<40-1)
	assert.EqualValues(t, 1, b.Allocated())
	assert.LessOrEqual(t, s.Usage().Used, memstore.Bytes(64<<10), "a page and its way through the table")
}

func TestReadTouchesOnlyWhatItReturns(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := newBlob(t, s)
	write(t, b, pattern(10), 0)
	dst := bytes.Repeat([]byte{0xee}, page)
	n, err := b.ReadAt(dst, 4)
	require.NoError(t, err)
	assert.Equal(t, 6, n)
	assert.Equal(t, bytes.Repeat([]byte{0xee}, page-6), dst[6:])
}

// plainAndEncrypted runs a test on both kinds of store.
func plainAndEncrypted(t *testing.T, test func(t *testing.T, encrypt bool)) {
	for _, encrypt := range []bool{false, true} {
		t.Run(kindOf(encrypt), func(t *testing.T) { test(t, encrypt) })
	}
}

func kindOf(encrypt bool) string {
	if encrypt {
		return "encrypted"
	}
	return "plain"
}
