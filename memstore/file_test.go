package memstore_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

// newFiles returns a store of files with this limit.
func newFiles(t *testing.T, limit memstore.Bytes) *memstore.Store {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a tmpfs that does not swap takes root")
	}
	return memstoretest.New(t, memstore.Config{Limit: limit, Files: true, Lock: memstore.LockNever})
}

func newFile(t *testing.T, s *memstore.Store) *memstore.Blob {
	t.Helper()
	b, err := s.NewFile(1)
	require.NoError(t, err)
	t.Cleanup(b.Free)
	return b
}

// reopen opens the file of a blob anew, as the kernel does for a program.
func reopen(t *testing.T, b *memstore.Blob) *os.File {
	t.Helper()
	var f *os.File
	require.NoError(t, b.File(func(fd int) (err error) {
		f, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR, 0)
		return err
	}))
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// What somebody else does to the file is what the blob is.
func TestFileIsShared(t *testing.T) {
	s := newFiles(t, 4<<20)
	b := newFile(t, s)
	assert.True(t, b.InFile())
	assert.True(t, b.Alone())
	f := reopen(t, b)
	assert.False(t, b.Alone())
	_, err := f.WriteAt([]byte("hello"), 5000)
	require.NoError(t, err)
	info, err := b.Info()
	require.NoError(t, err)
	assert.EqualValues(t, 5005, info.Size)
	assert.EqualValues(t, 1, info.Allocated)
	assert.Equal(t, info.Size, b.Size())
	assert.Equal(t, info.Allocated, b.Allocated())
	got := make([]byte, 10)
	n, err := b.ReadAt(got, 4998)
	require.NoError(t, err)
	assert.Equal(t, "\x00\x00hello", string(got[:n]))
	at, err := b.SeekData(0)
	require.NoError(t, err)
	assert.EqualValues(t, 4096, at)
	_, err = b.SeekData(6000)
	require.ErrorIs(t, err, memstore.ErrNoData)
	require.NoError(t, b.SetTimes(unix.Timespec{Sec: 7}, unix.Timespec{Nsec: unix.UTIME_OMIT}))
	after, err := b.Info()
	require.NoError(t, err)
	assert.EqualValues(t, 7, after.Atime.Sec)
	assert.Equal(t, info.Mtime, after.Mtime)
	_, err = b.WriteAt([]byte("jelly"), 5000)
	require.NoError(t, err)
	_, err = f.ReadAt(got[:5], 5000)
	require.NoError(t, err)
	assert.Equal(t, "jelly", string(got[:5]))
	require.NoError(t, f.Close())
	require.Eventually(t, b.Alone, 1e9, 1e6) // the last reference is dropped when the caller returns to user mode
}

// What is cut off, punched out or freed is zero before the kernel gets its pages: a mapping made before still shows the page.
func TestFileIsOverwritten(t *testing.T) {
	const size = 3*memstore.PageSize + 100
	secret := bytes.Repeat([]byte("secret"), 4*memstore.PageSize/6+1)
	for name, c := range map[string]struct {
		do   func(b *memstore.Blob) error
		gone [2]int // bytes
	}{
		"cut within a page":  {func(b *memstore.Blob) error { return b.Truncate(4096 + 10) }, [2]int{4096 + 10, 4 * 4096}},
		"cut to nothing":     {func(b *memstore.Blob) error { return b.Truncate(0) }, [2]int{0, 4 * 4096}},
		"hole":               {func(b *memstore.Blob) error { return b.Punch(4000, 4192+4000) }, [2]int{4000, 2*4096 + 4000}},
		"hole to the end":    {func(b *memstore.Blob) error { return b.Punch(8192, 1<<40) }, [2]int{8192, 4 * 4096}},
		"zeros":              {func(b *memstore.Blob) error { return b.Zero(10, 4096, true) }, [2]int{10, 4106}},
		"freed":              {func(b *memstore.Blob) error { b.Free(); return nil }, [2]int{0, 4 * 4096}},
		"nothing is cut off": {func(b *memstore.Blob) error { return b.Truncate(1 << 40) }, [2]int{size, 4 * 4096}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFile(t, newFiles(t, 4<<20))
			f := reopen(t, b)
			_, err := f.WriteAt(secret[:size], 0)
			require.NoError(t, err)
			data, err := unix.Mmap(int(f.Fd()), 0, 4*memstore.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			require.NoError(t, err)
			defer func() { assert.NoError(t, unix.Munmap(data)) }()
			copy(data, secret) // beyond the size as well
			secret := secret[:len(data)]
			pages := pin(t, data)
			require.NoError(t, c.do(b))
			for i, got := range pages() {
				want := secret[i]
				if i >= c.gone[0] && i < c.gone[1] {
					want = 0
				}
				if got != want {
					t.Fatalf("byte %d is %q, not %q", i, got, want)
				}
			}
		})
	}
}

// pin takes references to the pages of a mapping that outlive their place in the file: vmsplice(2) puts them into a pipe. What
// it returns reads them.
func pin(t *testing.T, data []byte) func() []byte {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	vector := unix.Iovec{Base: &data[0], Len: uint64(len(data))}
	n, _, errno := unix.Syscall6(unix.SYS_VMSPLICE, w.Fd(), uintptr(unsafe.Pointer(&vector)), 1, 0, 0, 0)
	require.Zero(t, errno)
	require.EqualValues(t, len(data), n)
	return func() []byte {
		got := make([]byte, len(data))
		_, err := io.ReadFull(r, got)
		require.NoError(t, err)
		return got
	}
}

// Pages of files and what else counts share one limit, whoever takes first.
func TestFilesKeepTheLimit(t *testing.T) {
	const limit = 4 << 20
	for _, meta := range []memstore.Bytes{0, 1 << 20, limit - 200<<10} {
		s := newFiles(t, limit)
		b := newFile(t, s)
		require.NoError(t, s.ChargeMeta(1, meta))
		f := reopen(t, b)
		stored := 0
		for {
			n, err := f.WriteAt(make([]byte, 4096), int64(stored))
			stored += n
			if err != nil {
				require.ErrorIs(t, err, unix.ENOSPC)
				break
			}
		}
		u := s.Usage()
		assert.LessOrEqual(t, u.Used, u.Limit)
		least := limit - memstore.Bytes(limit/256) - meta - meta/64 - 3*4096
		assert.GreaterOrEqual(t, memstore.Bytes(stored), least, "%d beside %d", stored, meta)

		// What is left can still be taken, to the last page.
		more := memstore.Bytes(0)
		for s.ChargeMeta(1, 100) == nil {
			more += 100
		}
		u = s.Usage()
		assert.LessOrEqual(t, u.Used, u.Limit)
		assert.Less(t, u.Limit-u.Used, memstore.Bytes(2*4096))
		require.NoError(t, s.Check())

		// And what is freed there is there for pages.
		s.ReleaseMeta(1, meta+more)
		require.NoError(t, b.Truncate(0))
		_, err := f.WriteAt(make([]byte, limit-limit/256*5-3*4096), 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		b.Free()
	}
}

// The limit holds while both are taken and given back at once.
func TestFilesKeepTheLimitUnderLoad(t *testing.T) {
	s := newFiles(t, 2<<20)
	var wg sync.WaitGroup
	for range 4 {
		b := newFile(t, s)
		wg.Go(func() {
			for i := range 300 {
				if s.ChargeMeta(1, 100<<10) == nil {
					s.ReleaseMeta(1, 100<<10)
				}
				if i%3 == 0 {
					_, _ = b.WriteAt(make([]byte, 256<<10), 0)
				} else {
					_ = b.Truncate(0)
				}
				u := s.Usage()
				if u.Used > u.Limit+100<<10*4 { // the two parts are read one after another
					t.Errorf("%d used", u.Used)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Check())
}

// A large file is overwritten in the background and counts until it is; whoever needs the room waits for it.
func TestLargeFilesAreOverwrittenInTheBackground(t *testing.T) {
	s := newFiles(t, 12<<20)
	for range 5 {
		b := newFile(t, s)
		_, err := b.WriteAt(make([]byte, 11<<20), 0)
		require.NoError(t, err)
		b.Free()
		require.NoError(t, s.ChargeMeta(1, 10<<20))
		s.ReleaseMeta(1, 10<<20)
		require.NoError(t, s.Check())
	}
}

// At the end everything is overwritten, and whoever still has a file open finds nothing in it and can store nothing.
func TestFilesAfterClose(t *testing.T) {
	s := newFiles(t, 8<<20)
	var open []*os.File
	var freed int
	for i := range 6 {
		b := newFile(t, s)
		f := reopen(t, b)
		_, err := f.WriteString(strings.Repeat("secret", 100<<10))
		require.NoError(t, err)
		open = append(open, f)
		if i == 0 {
			b.Free() // overwritten before the end, and not counted there
			freed++
		}
		if i == 1 {
			s.Retire()
			b.Free()
		}
	}
	report := s.Close()
	require.NoError(t, report.Err)
	assert.EqualValues(t, 5*600<<10, report.Wiped)
	done, total := s.Progress()
	assert.EqualValues(t, 5*600<<10, done)
	assert.LessOrEqual(t, total, done)
	for _, f := range open {
		got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
		require.NoError(t, err)
		assert.Empty(t, got)
		_, err = f.WriteAt([]byte("more"), 0)
		require.ErrorIs(t, err, unix.ENOSPC)
	}
	_, err := s.NewFile(1)
	require.ErrorIs(t, err, memstore.ErrInvalid)
}

func TestFileErrors(t *testing.T) {
	s := newFiles(t, 1<<20)
	b := newFile(t, s)
	require.ErrorIs(t, b.Allocate(0, 2<<20, false), memstore.ErrNoSpace)
	require.ErrorIs(t, b.Allocate(0, 0, false), memstore.ErrInvalid)
	_, err := b.WriteAt([]byte("x"), memstore.MaxSize)
	require.ErrorIs(t, err, memstore.ErrFileTooBig)
	require.NoError(t, b.Allocate(0, 4096, true))
	assert.Zero(t, b.Size())
	assert.EqualValues(t, 1, b.Allocated())
	require.NoError(t, b.SetOwner(2))
	assert.EqualValues(t, memstore.FileCost, s.OwnerUsage(2).Used)
	b.Free()
	b.Free()
	assert.Zero(t, b.Size())
	assert.False(t, b.Alone())
	_, err = b.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, memstore.ErrInvalid)
	assert.Panics(t, func() { s.NewBlob(1) }, "a mistake of the caller")

	pages := memstoretest.New(t, memstore.Config{Limit: 1 << 20})
	_, err = pages.NewFile(1)
	require.ErrorIs(t, err, memstore.ErrInvalid)
	require.ErrorIs(t, pages.NewBlob(1).File(nil), memstore.ErrInvalid)
	_, err = memstore.New(memstore.Config{Limit: 1 << 20, Files: true, Encrypt: true})
	require.ErrorIs(t, err, memstore.ErrInvalid)
	_, err = memstore.New(memstore.Config{Limit: 1 << 20, Files: true, OwnerLimit: 4096})
	require.ErrorIs(t, err, memstore.ErrInvalid)
}
