package memstore_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

// inParallel runs each function until the time is up, and waits for all.
func inParallel(d time.Duration, do ...func(rng *rand.Rand)) {
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for i, f := range do {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for time.Now().Before(end) {
				f(rng)
			}
		})
	}
	wg.Wait()
}

// Each blob is only ever filled with its own byte. Whatever else is read comes from another file, or from before.
func TestConcurrentUseOfSharedBlobs(t *testing.T) {
	plainAndEncrypted(t, concurrentUse)
}

func concurrentUse(t *testing.T, encrypt bool) {
	const blobs, reach = 3, 5 * mib
	s := memstoretest.New(t, memstore.Config{Limit: 9 * mib, Encrypt: encrypt}) // too little for all: running out is part of it
	all := make([]*memstore.Blob, blobs)
	for i := range all {
		all[i] = newBlob(t, s)
	}
	src := make([][]byte, blobs)
	for i := range src {
		src[i] = bytes.Repeat([]byte{byte(i + 1)}, 300<<10)
	}
	pick := func(rng *rand.Rand) (i int, off, n int64) {
		return rng.IntN(blobs), rng.Int64N(reach), 1 + rng.Int64N(300<<10)
	}
	full := func(err error) bool { return err == nil || errors.Is(err, memstore.ErrNoSpace) }
	writer := func(rng *rand.Rand) {
		i, off, n := pick(rng)
		_, err := all[i].WriteAt(src[i][:n], off)
		assert.True(t, full(err), err)
	}
	reader := func(rng *rand.Rand) {
		i, off, n := pick(rng)
		dst := make([]byte, n)
		n2, err := all[i].ReadAt(dst, off)
		assert.NoError(t, err)
		for _, c := range dst[:n2] {
			if c != 0 && c != byte(i+1) {
				t.Errorf("blob %d holds a byte of blob %d", i, c-1)
				return
			}
		}
	}
	changer := func(rng *rand.Rand) {
		i, off, n := pick(rng)
		switch rng.IntN(6) {
		case 0:
			assert.NoError(t, all[i].Truncate(off))
		case 1:
			assert.NoError(t, all[i].Truncate(0))
		case 2:
			assert.NoError(t, all[i].Punch(off, n*4))
		case 3:
			assert.True(t, full(all[i].Allocate(off, n, n%2 == 0)))
		case 4:
			assert.NoError(t, all[i].SetOwner(rng.Uint32N(3)))
		case 5:
			_, err := all[i].SeekHole(off)
			assert.True(t, err == nil || errors.Is(err, memstore.ErrNoData))
		}
	}
	watcher := func(*rand.Rand) {
		u := s.Usage()
		assert.LessOrEqual(t, u.Used, u.Limit)
		assert.LessOrEqual(t, u.Resident, memstore.Bytes(10*mib))
		time.Sleep(time.Millisecond)
	}
	checker := func(*rand.Rand) {
		assert.NoError(t, s.Check())
		time.Sleep(20 * time.Millisecond)
	}
	inParallel(time.Second, writer, writer, writer, reader, reader, changer, changer, watcher, checker)
}

// A write and a read of the same range are atomic towards each other, within one call.
func TestWritesAreSeenWholeOrNotAtAll(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 8 * mib})
	b := newBlob(t, s)
	const n, off = 3*page + 100, 2*mib - page - 7
	writer := func(rng *rand.Rand) {
		_, err := b.WriteAt(bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, n), off)
		assert.NoError(t, err)
	}
	writer(rand.New(rand.NewPCG(1, 1)))
	inParallel(300*time.Millisecond, writer, writer, func(*rand.Rand) {
		dst := make([]byte, n)
		got, err := b.ReadAt(dst, off)
		assert.NoError(t, err)
		assert.Equal(t, n, got)
		assert.Equal(t, n, bytes.Count(dst, dst[:1]), "one value only")
	})
}

// Files come and go, small and large, while the store is nearly full and memory goes back to the kernel.
func TestConcurrentLivesOfFiles(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 24 * mib, OwnerLimit: 12 * mib, IdleSlabs: -1})
	src := pattern(6 * mib)
	life := func(rng *rand.Rand) {
		b := s.NewBlob(rng.Uint32N(2))
		defer b.Free()
		n := 1 + rng.IntN(20*page)
		if rng.IntN(4) == 0 {
			n = 1 + rng.IntN(6*mib)
		}
		got, err := b.WriteAt(src[:n], 0)
		if got == 0 {
			assert.True(t, errors.Is(err, memstore.ErrNoSpace) || errors.Is(err, memstore.ErrQuota), err)
			return
		}
		dst := make([]byte, got)
		_, err = b.ReadAt(dst, 0)
		assert.NoError(t, err)
		assert.True(t, bytes.Equal(src[:got], dst))
	}
	pause := func(*rand.Rand) { time.Sleep(300 * time.Millisecond); assert.NoError(t, s.Check()) }
	inParallel(time.Second, life, life, life, life, pause)
}

// One goroutine that deletes before it writes must never run out, whatever others do within their own share.
func TestOwnDeletionMakesRoomUnderLoad(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 32 * mib})
	src := pattern(7 * mib)
	life := func(*rand.Rand) {
		b := s.NewBlob(0)
		n, err := b.WriteAt(src, 0)
		assert.NoError(t, err)
		assert.Equal(t, len(src), n)
		b.Free()
	}
	inParallel(time.Second, life, life, life, life)
}

func TestCloseDuringUse(t *testing.T) {
	for range 10 {
		s, err := memstore.New(memstore.Config{Limit: 32 * mib})
		require.NoError(t, err)
		src := pattern(mib)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					b := s.NewBlob(0)
					_, err := b.WriteAt(src, 0)
					if errors.Is(err, memstore.ErrInvalid) {
						return
					}
					_, _ = b.ReadAt(make([]byte, mib), 0)
					b.Free()
				}
			})
		}
		for s.Usage().Resident == 0 {
			time.Sleep(time.Millisecond)
		}
		assert.Positive(t, s.Close().Wiped)
		wg.Wait()
	}
}
