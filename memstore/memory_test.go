package memstore_test

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

// area is what the kernel says about the mappings of a store's range (proc_pid_smaps(5)).
type area struct {
	rss, locked memstore.Bytes
	flags       []string // VmFlags of the first mapping
	mappings    int
}

func kernelView(t *testing.T, s *memstore.Store) area {
	t.Helper()
	from := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(s.Range()))))
	to := from + uint64(len(s.Range()))
	f, err := os.Open("/proc/self/smaps")
	require.NoError(t, err)
	defer f.Close()
	var a area
	inside := false
	var lo, hi uint64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib memstore.Bytes
		line := lines.Text()
		if first, _, _ := strings.Cut(line, " "); !strings.HasSuffix(first, ":") { // begins a mapping
			_, err := fmt.Sscanf(line, "%x-%x ", &lo, &hi)
			require.NoError(t, err)
			if inside = lo < to && hi > from; inside {
				a.mappings++
			}
		}
		if !inside {
			continue
		}
		if n, _ := fmt.Sscanf(line, "Rss: %d kB", &kib); n == 1 {
			a.rss += kib << 10
		}
		if n, _ := fmt.Sscanf(line, "Locked: %d kB", &kib); n == 1 {
			a.locked += kib << 10
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && a.flags == nil {
			a.flags = strings.Fields(flags)
		}
	}
	return a
}

func TestMemoryGoesBackToTheKernel(t *testing.T) {
	const size = 128 * mib
	s := memstoretest.New(t, memstore.Config{Limit: 256 * mib, IdleSlabs: 2})
	src := pattern(mib)
	for round := range 2 {
		kept := s.NewBlob(0)
		write(t, kept, pattern(page), 0)
		var blobs []*memstore.Blob
		for range size / mib {
			b := s.NewBlob(0)
			write(t, b, src, 0)
			blobs = append(blobs, b)
		}
		full := kernelView(t, s)
		assert.GreaterOrEqual(t, full.rss, memstore.Bytes(size))
		assert.LessOrEqual(t, full.rss, memstore.Bytes(size+2*memstore.SlabSize), "no more than the data, in slabs")
		assert.Equal(t, full.rss, s.Usage().Resident, "Usage says what the kernel says")
		for _, b := range blobs {
			b.Free()
		}
		require.Eventually(t, func() bool { return kernelView(t, s).rss <= 3*memstore.SlabSize }, 10*time.Second, 20*time.Millisecond)
		assert.Equal(t, kernelView(t, s).rss, s.Usage().Resident)
		assert.Equal(t, pattern(page), read(t, kept, page, 0), "round %d", round)
		require.NoError(t, s.Check())
		kept.Free()
	}
}

func TestNoIdleSlabIsKeptWhenNoneIsWanted(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 64 * mib, IdleSlabs: -1})
	b := s.NewBlob(0)
	write(t, b, pattern(20*mib), 0)
	b.Free()
	require.Eventually(t, func() bool { return s.Usage().Resident == 0 }, 10*time.Second, 20*time.Millisecond)
	assert.Zero(t, kernelView(t, s).rss)
}

// A store at rest keeps nothing for the next file, and what it holds stays.
func TestGiveBack(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 64 * mib})
	kept, gone := s.NewBlob(0), s.NewBlob(0)
	write(t, kept, pattern(page), 0)
	write(t, gone, pattern(10*mib), 0)
	gone.Free()
	require.Eventually(t, func() bool { return s.Usage().Wiping == 0 }, 10*time.Second, time.Millisecond)
	require.GreaterOrEqual(t, kernelView(t, s).rss, memstore.Bytes(10*mib), "kept for the next file")
	s.GiveBack()
	assert.EqualValues(t, memstore.SlabSize, kernelView(t, s).rss)
	assert.EqualValues(t, memstore.SlabSize, s.Usage().Resident)
	assert.Equal(t, pattern(page), read(t, kept, page, 0))
	again := s.NewBlob(0)
	write(t, again, pattern(10*mib), 0)
	assert.Equal(t, pattern(10*mib), read(t, again, 10*mib, 0))
	require.NoError(t, s.Check())
	again.Free()
	kept.Free()
	s.Close()
	s.GiveBack()
}

// Idle slabs are for the next file: a workload that fills and empties files without pause keeps its memory.
func TestChurnKeepsItsMemory(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 64 * mib, IdleSlabs: -1})
	src := pattern(mib)
	most, least := memstore.Bytes(0), memstore.Bytes(64*mib)
	for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); {
		b := s.NewBlob(0)
		write(t, b, src, 0)
		u := s.Usage().Resident
		most, least = max(most, u), min(least, u)
		b.Free()
	}
	assert.LessOrEqual(t, most, memstore.Bytes(2*memstore.SlabSize))
	assert.Positive(t, least)
}

func TestNothingIsResidentBeforeTheFirstWrite(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 64 << 30})
	b := newBlob(t, s)
	require.NoError(t, b.Truncate(1<<50))
	assert.Zero(t, kernelView(t, s).rss)
	assert.Zero(t, s.Usage().Resident)
}

func TestMappingIsKeptOutOfDumpsAndChildren(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 64 * mib})
	write(t, newBlob(t, s), pattern(page), 0)
	a := kernelView(t, s)
	for _, flag := range []string{"dd", "dc"} { // do not dump, do not copy on fork
		assert.True(t, slices.Contains(a.flags, flag), "%s is not in VmFlags %v", flag, a.flags)
	}
	assert.LessOrEqual(t, a.mappings, 2, "what is mapped and what is not yet")
}

// heap returns the bytes of live objects on the Go heap, and of all ever made.
func heap() (live, made int64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.TotalAlloc)
}

func TestHeapOverheadIsSmall(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		files int
	}{
		{"one page", page, 8000},
		{"two pages", 2 * page, 4000},
		{"three pages", 3 * page, 3000},
		{"1 MiB", mib, 40},
		{"large", 64 * mib, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstoretest.New(t, memstore.Config{Limit: 256 * mib})
			src := pattern(c.size)
			blobs := make([]*memstore.Blob, c.files)
			before, _ := heap()
			for i := range blobs {
				blobs[i] = s.NewBlob(0)
				write(t, blobs[i], src, 0)
			}
			after, _ := heap()
			data := int64(c.size) * int64(c.files)
			assert.LessOrEqual(t, after-before, data/20+64<<10, "heap for %d bytes of data", data)
			assert.LessOrEqual(t, int64(kernelView(t, s).rss), data+data/50+2*memstore.SlabSize)
			runtime.KeepAlive(src)
			for _, b := range blobs {
				b.Free()
			}
		})
	}
}
