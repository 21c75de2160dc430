package memstore_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

// fillUp writes files of n bytes each until nothing fits, and returns them with what each should hold.
func fillUp(t *testing.T, s *memstore.Store, n int) (blobs []*memstore.Blob, contents [][]byte) {
	file := pattern(n)
	for {
		b := s.NewBlob(0)
		src := bytes.Clone(file)
		src[0] = byte(len(blobs))
		got, err := b.WriteAt(src, 0)
		if got == 0 {
			require.ErrorIs(t, err, memstore.ErrNoSpace)
			return blobs, contents
		}
		require.NoError(t, err)
		blobs, contents = append(blobs, b), append(contents, src[:got])
		require.Less(t, len(blobs), 1<<20, "the limit never came")
	}
}

func TestFillFreeFillAgain(t *testing.T) {
	const limit = 8*mib + 5*page + 17
	for _, n := range []int{100, page, 3 * page, 100 * page, 3 * mib} {
		s := memstoretest.New(t, memstore.Config{Limit: limit})
		for round := range 3 {
			blobs, contents := fillUp(t, s, n)
			u := s.Usage()
			assert.LessOrEqual(t, u.Used, u.Limit)
			assert.Greater(t, u.Used, u.Limit-page-64, "full means full")
			for i, b := range blobs {
				require.True(t, bytes.Equal(contents[i], read(t, b, n, 0)), "file %d in round %d", i, round)
			}
			require.NoError(t, s.Check())
			for _, b := range blobs {
				b.Free()
			}
		}
	}
}

// Pages queued for the wiper are not to be had yet, but a write after a deletion must not notice.
func TestDeleteThenWriteNeverFailsSpuriously(t *testing.T) {
	const size = 60 * mib
	s := memstoretest.New(t, memstore.Config{Limit: 64 * mib})
	src := pattern(mib)
	for range 20 {
		b := s.NewBlob(0)
		for off := int64(0); off < size; off += mib {
			write(t, b, src, off)
		}
		b.Free()
	}
	b := s.NewBlob(0)
	require.NoError(t, b.Allocate(0, size, false))
	b.Free()
	require.NoError(t, s.ChargeMeta(0, size))
	s.ReleaseMeta(0, size)
}

func TestShortWriteAtTheLimit(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 10*page + 1000})
	b := newBlob(t, s)
	src := pattern(20 * page)
	n, err := b.WriteAt(src, 100)
	require.NoError(t, err)
	assert.Equal(t, 10*page-100, n, "what fits, to the end of the last page that did")
	assert.EqualValues(t, 10*page, b.Size())
	n, err = b.WriteAt(src, int64(n+100))
	require.ErrorIs(t, err, memstore.ErrNoSpace)
	assert.Zero(t, n)
	assert.EqualValues(t, 10*page, b.Size(), "a refused write leaves no trace")
	write(t, b, src[:5*page], 3) // overwriting needs no room
	require.NoError(t, b.Punch(0, page))
	write(t, b, src[:page], 0)
}

func TestRefusedWriteLeavesNoTrace(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 2 * page})
	b := newBlob(t, s)
	for _, off := range []int64{1 << 30, 1 << 50, memstore.MaxSize - 1} { // the way through the table alone is too much
		n, err := b.WriteAt([]byte{1}, off)
		require.ErrorIs(t, err, memstore.ErrNoSpace)
		assert.Zero(t, n)
	}
	assert.Zero(t, b.Size())
	assert.Zero(t, s.Usage().Used)
	assert.Zero(t, s.Usage().Resident, "nothing was asked of the kernel")
}

// The memory of page tables counts, so that one byte here and there cannot take a multiple of the limit.
func TestScatteredBytesStayWithinTheLimit(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 8 * mib})
	b := newBlob(t, s)
	pages := 0
	for off := int64(0); ; off += 1 << 31 {
		if n, err := b.WriteAt([]byte{1}, off); n == 0 {
			require.ErrorIs(t, err, memstore.ErrNoSpace)
			break
		}
		pages++
	}
	assert.Less(t, pages, 8*mib/page/2)
	assert.Greater(t, pages, 8*mib/page/8)
}

func TestOwnerShare(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib, OwnerLimit: 256 << 10, OwnerInodes: 2})
	mine, theirs := s.NewBlob(1), s.NewBlob(2)
	defer mine.Free()
	defer theirs.Free()
	n, err := mine.WriteAt(pattern(512<<10), 0)
	require.NoError(t, err)
	assert.InDelta(t, 256<<10, n, page)
	_, err = mine.WriteAt([]byte{1}, 512<<10)
	require.ErrorIs(t, err, memstore.ErrQuota)
	require.ErrorIs(t, mine.Allocate(0, 300<<10, false), memstore.ErrQuota)
	require.ErrorIs(t, s.ChargeMeta(1, page), memstore.ErrQuota)
	write(t, theirs, pattern(100<<10), 0)

	require.NoError(t, s.ReserveInode(1))
	require.NoError(t, s.ReserveInode(1))
	require.ErrorIs(t, s.ReserveInode(1), memstore.ErrQuota)
	require.NoError(t, s.ReserveInode(2))
	assert.EqualValues(t, 2, s.OwnerUsage(1).Inodes)
	for _, owner := range []uint32{1, 1, 2} {
		s.ReleaseInode(owner)
	}

	u := s.OwnerUsage(1)
	assert.EqualValues(t, 256<<10, u.Limit)
	assert.LessOrEqual(t, u.Used, u.Limit)
	assert.Equal(t, s.Usage().Used, u.Used+s.OwnerUsage(2).Used)
	assert.Zero(t, s.OwnerUsage(3).Used)
}

func TestStoreLimitsHoldForAllOwnersTogether(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib, OwnerLimit: 800 << 10, Inodes: 3, OwnerInodes: 2})
	a, b := s.NewBlob(1), s.NewBlob(2)
	defer a.Free()
	defer b.Free()
	write(t, a, pattern(700<<10), 0)
	n, err := b.WriteAt(pattern(700<<10), 0)
	require.NoError(t, err)
	assert.Less(t, n, 330<<10)
	require.ErrorIs(t, b.Allocate(mib, 64<<10, false), memstore.ErrNoSpace)
	for _, owner := range []uint32{1, 1, 2} {
		require.NoError(t, s.ReserveInode(owner))
		defer s.ReleaseInode(owner)
	}
	require.ErrorIs(t, s.ReserveInode(2), memstore.ErrNoInodes)
}

func TestSetOwnerMovesTheShare(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 4 * mib, OwnerLimit: mib})
	b, other := s.NewBlob(1), s.NewBlob(2)
	defer b.Free()
	defer other.Free()
	write(t, b, pattern(600<<10), 0)
	used := s.OwnerUsage(1).Used
	require.NoError(t, b.SetOwner(1))
	require.NoError(t, b.SetOwner(2))
	assert.Zero(t, s.OwnerUsage(1).Used)
	assert.Equal(t, used, s.OwnerUsage(2).Used)
	require.NoError(t, b.SetOwner(1))
	write(t, other, pattern(600<<10), 0)
	require.ErrorIs(t, b.SetOwner(2), memstore.ErrQuota)
	assert.Equal(t, used, s.OwnerUsage(1).Used, "a refused change changes nothing")
	assert.Equal(t, pattern(600<<10), read(t, b, mib, 0))
}

func TestMetadataCountsAgainstTheLimit(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	b := newBlob(t, s)
	require.NoError(t, s.ChargeMeta(7, mib-page))
	assert.EqualValues(t, mib-page, s.Usage().Meta)
	assert.EqualValues(t, mib-page, s.OwnerUsage(7).Meta)
	require.ErrorIs(t, s.ChargeMeta(7, page+1), memstore.ErrNoSpace)
	_, err := b.WriteAt([]byte{1}, 0)
	require.ErrorIs(t, err, memstore.ErrNoSpace, "a page fits, its table no longer")
	s.ReleaseMeta(7, page)
	write(t, b, []byte{1}, 0)
	s.ReleaseMeta(7, mib-2*page)
	assert.Zero(t, s.Usage().Meta)
}

func TestGivingBackTooMuchPanics(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: mib})
	assert.Panics(t, func() { s.ReleaseInode(1) })
	assert.Panics(t, func() { s.ReleaseMeta(1, 1) })
	assert.Panics(t, func() { s.ReleaseMeta(1, -1) })
	assert.Zero(t, s.OwnerUsage(1), "the accounts are as before")
}

func TestConfigIsRefused(t *testing.T) {
	for name, cfg := range map[string]memstore.Config{
		"no limit":             {},
		"less than a page":     {Limit: page - 1},
		"beyond the largest":   {Limit: memstore.MaxLimit + 1},
		"negative inodes":      {Limit: mib, Inodes: -1},
		"negative share":       {Limit: mib, OwnerLimit: -1},
		"negative inode share": {Limit: mib, OwnerInodes: math.MinInt64},
		"unknown lock mode":    {Limit: mib, Lock: 3},
	} {
		_, err := memstore.New(cfg)
		assert.ErrorIs(t, err, memstore.ErrInvalid, name)
	}
}

func TestPagesInBytes(t *testing.T) {
	assert.EqualValues(t, 3*page, memstore.Pages(3).Bytes())
}

func TestLargestStore(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: memstore.MaxLimit, Lock: memstore.LockNever})
	b := newBlob(t, s)
	write(t, b, pattern(3*page), 1<<40)
	assert.EqualValues(t, memstore.SlabSize, s.Usage().Resident)
}
