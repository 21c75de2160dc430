package memstore_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

// marker is content that occurs nowhere by chance. It divides a page, so that no copy crosses a border.
var marker = []byte("m4rk3r:0123456789abcdef-ghijklmn")

func TestFreedContentsAreNowhereInTheArena(t *testing.T) {
	require.Len(t, marker, 32)
	for _, c := range []struct {
		name string
		size int64 // bytes of markers written
		do   func(b *memstore.Blob) error
		kept int64 // bytes of markers that must still be there
	}{
		{"free a page", page, free, 0},
		{"free as much as is wiped at once", memstore.SyncPages * page, free, 0},
		{"free a page more", (memstore.SyncPages + 1) * page, free, 0},
		{"free much", 40 * mib, free, 0},
		{"truncate to nothing", 40 * mib, truncate(0), 0},
		{"truncate to nothing, small", 3 * page, truncate(0), 0},
		{"truncate inside a page", 10 * page, truncate(5*page + 32), 5*page + 32},
		{"truncate inside a leaf", 40 * mib, truncate(3*mib + 32), 3*mib + 32},
		{"punch a page", 10 * page, punch(page, page), 9 * page},
		{"punch inside a page", page, punch(32, 64), page - 64},
		{"punch across leaves", 40 * mib, punch(mib+32, 32*mib), 8 * mib},
		{"punch everything", 40 * mib, punch(0, memstore.MaxSize), 0},
		{"zero", 3 * mib, zero(32, 2*mib), mib},
		{"overwrite", 3 * mib, overwrite, 0},
		{"change owner, then free", 3 * mib, func(b *memstore.Blob) error { defer b.Free(); return b.SetOwner(9) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstoretest.New(t, memstore.Config{Limit: 64 * mib})
			b, other := newBlob(t, s), newBlob(t, s)
			write(t, other, marker, 0)
			write(t, b, bytes.Repeat(marker, int(c.size)/len(marker)), 0)
			require.Equal(t, int(c.size)/len(marker)+1, s.Copies(marker), "the scan finds what is there")
			require.NoError(t, c.do(b))
			s.WaitWiped()
			assert.Equal(t, int(c.kept)/len(marker)+1, s.Copies(marker))
		})
	}
}

func free(b *memstore.Blob) error { b.Free(); return nil }

func truncate(size int64) func(*memstore.Blob) error {
	return func(b *memstore.Blob) error { return b.Truncate(size) }
}

func punch(off, n int64) func(*memstore.Blob) error {
	return func(b *memstore.Blob) error { return b.Punch(off, n) }
}

func zero(off, n int64) func(*memstore.Blob) error {
	return func(b *memstore.Blob) error { return b.Zero(off, n, false) }
}

func overwrite(b *memstore.Blob) error {
	_, err := b.WriteAt(pattern(int(b.Size())), 0)
	return err
}

func TestSpaceCountsAsUsedUntilOverwritten(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 12 * mib})
	s.StopWiper()
	b := s.NewBlob(3)
	write(t, b, bytes.Repeat(marker, 8*mib/len(marker)), 0)
	b.Free()
	assert.Zero(t, b.Allocated(), "the blob has nothing any more")
	u := s.Usage()
	assert.GreaterOrEqual(t, u.Used, memstore.Bytes(8*mib))
	assert.Equal(t, u.Used, u.Wiping)
	assert.Equal(t, u.Used, s.OwnerUsage(3).Wiping)
	assert.Equal(t, 8*mib/len(marker), s.Copies(marker))

	other := newBlob(t, s)
	write(t, other, pattern(6*mib), 0)
	assert.Less(t, s.Usage().Wiping, u.Wiping, "writing helped to make the room that it needed")
	assert.Greater(t, s.Usage().Wiping, memstore.Bytes(0), "but not with more than that")
	s.WaitWiped()
	assert.Zero(t, s.Copies(marker))
}

func TestOwnersShareWaitsForTheWiperToo(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 64 * mib, OwnerLimit: 8 * mib})
	s.StopWiper()
	for range 5 {
		b := s.NewBlob(3)
		write(t, b, pattern(6*mib), 0)
		require.Positive(t, s.OwnerUsage(3).Used)
		b.Free()
		require.Positive(t, s.OwnerUsage(3).Wiping)
	}
	b := s.NewBlob(4)
	defer b.Free()
	write(t, b, pattern(4*mib), 0)
	require.NoError(t, b.SetOwner(3), "taking over a share waits as well")
}

func TestCloseReportsAndRefusesWhatComesLater(t *testing.T) {
	s, err := memstore.New(memstore.Config{Limit: 64 * mib})
	require.NoError(t, err)
	b, gone := s.NewBlob(0), s.NewBlob(0)
	write(t, b, pattern(5*mib), 0)
	write(t, gone, pattern(5*mib), 0)
	require.NoError(t, s.ReserveInode(0))
	require.NoError(t, s.ChargeMeta(0, 10))
	gone.Free()
	resident := s.Usage().Resident
	r := s.Close()
	assert.Equal(t, resident, r.Wiped)
	assert.Positive(t, r.Duration)
	assert.Equal(t, r, s.Close(), "a second call returns the first report")

	_, err = b.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, memstore.ErrInvalid)
	_, err = s.NewBlob(0).WriteAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, memstore.ErrInvalid)
	require.ErrorIs(t, s.ReserveInode(0), memstore.ErrInvalid)
	require.ErrorIs(t, s.ChargeMeta(0, 1), memstore.ErrInvalid)
	require.NoError(t, s.Check())
	s.ReleaseInode(0)
	s.ReleaseMeta(0, 10)
	b.Free()
	u := s.Usage()
	assert.Zero(t, u.Used)
	assert.Zero(t, u.Resident)
	assert.Zero(t, s.OwnerUsage(0).Used)
}
