package memstore_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"safetmp/memstore"
)

// sizes are request sizes that the kernel sends: one page, the default and the largest FUSE write.
var sizes = []int{4 << 10, 128 << 10, 1 << 20}

const benchFile = 64 << 20

func benchStore(b *testing.B, encrypt bool) *memstore.Store {
	s, err := memstore.New(memstore.Config{Limit: 4 << 30, Encrypt: encrypt})
	require.NoError(b, err)
	b.Cleanup(func() { s.Close() })
	return s
}

func fill(b *testing.B, blob *memstore.Blob, size int) {
	b.Helper()
	src := make([]byte, 1<<20)
	for off := 0; off < size; off += len(src) {
		_, err := blob.WriteAt(src, int64(off))
		require.NoError(b, err)
	}
}

// BenchmarkWriteFresh writes where no page exists yet; the file starts anew every 64 MiB, so overwriting what was freed is
// part of the price, as it is in real life.
func BenchmarkWriteFresh(b *testing.B) {
	eachSize(b, func(b *testing.B, n int, encrypt bool) {
		s := benchStore(b, encrypt)
		blob, src, off := s.NewBlob(0), make([]byte, n), int64(0)
		b.SetBytes(int64(n))
		for b.Loop() {
			if off == benchFile {
				blob.Free()
				blob, off = s.NewBlob(0), 0
			}
			_, _ = blob.WriteAt(src, off)
			off += int64(n)
		}
	})
}

// eachSize runs a benchmark for each size, plain and encrypted.
func eachSize(b *testing.B, bench func(b *testing.B, n int, encrypt bool)) {
	for _, n := range sizes {
		for _, encrypt := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dK/%s", n>>10, kindOf(encrypt)), func(b *testing.B) { bench(b, n, encrypt) })
		}
	}
}

// BenchmarkWriteFirst writes into memory that the kernel has only just given: no slab is ever used twice.
func BenchmarkWriteFirst(b *testing.B) {
	src := make([]byte, 128<<10)
	b.SetBytes(benchFile)
	for b.Loop() {
		b.StopTimer()
		s, err := memstore.New(memstore.Config{Limit: 1 << 30, Lock: memstore.LockNever})
		require.NoError(b, err)
		blob := s.NewBlob(0)
		b.StartTimer()
		for off := int64(0); off < benchFile; off += int64(len(src)) {
			_, _ = blob.WriteAt(src, off)
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
}

// BenchmarkOverwrite writes where pages exist. It must not allocate.
func BenchmarkOverwrite(b *testing.B) {
	benchSequential(b, (*memstore.Blob).WriteAt)
}

// BenchmarkRead reads where pages exist. It must not allocate.
func BenchmarkRead(b *testing.B) {
	benchSequential(b, (*memstore.Blob).ReadAt)
}

func benchSequential(b *testing.B, do func(*memstore.Blob, []byte, int64) (int, error)) {
	eachSize(b, func(b *testing.B, n int, encrypt bool) {
		s := benchStore(b, encrypt)
		blob, buf, off := s.NewBlob(0), make([]byte, n), int64(0)
		fill(b, blob, benchFile)
		b.SetBytes(int64(n))
		b.ReportAllocs()
		for b.Loop() {
			_, _ = do(blob, buf, off)
			off = (off + int64(n)) % benchFile
		}
	})
}

// BenchmarkSmallFile is the life of a small file: made, written once, freed.
func BenchmarkSmallFile(b *testing.B) {
	for _, n := range []int{1, 4 << 10, 16 << 10} {
		for _, encrypt := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dB/%s", n, kindOf(encrypt)), func(b *testing.B) { benchSmallFile(b, n, encrypt) })
		}
	}
}

func benchSmallFile(b *testing.B, n int, encrypt bool) {
	s := benchStore(b, encrypt)
	src := make([]byte, n)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			blob := s.NewBlob(0)
			_, _ = blob.WriteAt(src, 0)
			blob.Free()
		}
	})
}

// BenchmarkAllocate makes and frees pages without writing to them.
func BenchmarkAllocate(b *testing.B) {
	for _, pages := range []int64{1, 256, 16384} {
		b.Run(fmt.Sprintf("%dpages", pages), func(b *testing.B) {
			s := benchStore(b, false)
			b.SetBytes(pages * page)
			for b.Loop() {
				blob := s.NewBlob(0)
				_ = blob.Allocate(0, pages*page, false)
				blob.Free()
			}
		})
	}
}

// BenchmarkWipe overwrites what was freed, beside clear of the same amount of resident memory: the difference is the price of
// page tables, bitmaps and accounts.
func BenchmarkWipe(b *testing.B) {
	const size = 256 << 20
	b.Run("free", func(b *testing.B) {
		s := benchStore(b, false)
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			blob := s.NewBlob(0)
			require.NoError(b, blob.Allocate(0, size, false))
			b.StartTimer()
			blob.Free()
			s.WaitWiped()
		}
	})
	b.Run("clear", func(b *testing.B) {
		s := benchStore(b, false)
		require.NoError(b, s.NewBlob(0).Allocate(0, size, false))
		mem := s.Range()[:size]
		b.SetBytes(size)
		for b.Loop() {
			clear(mem)
		}
	})
	b.Run("close", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			s, err := memstore.New(memstore.Config{Limit: size + 1<<20})
			require.NoError(b, err)
			require.NoError(b, s.NewBlob(0).Allocate(0, size, false))
			b.StartTimer()
			s.Close()
		}
	})
}
