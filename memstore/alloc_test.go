//go:build !race

// The checks of the lock order that -race switches on allocate.

package memstore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

func TestReadAndWriteOfExistingPagesDoNotAllocate(t *testing.T) {
	plainAndEncrypted(t, func(t *testing.T, encrypt bool) {
		s := memstoretest.New(t, memstore.Config{Limit: 8 * mib, Encrypt: encrypt})
		b := newBlob(t, s)
		buf := pattern(mib)
		write(t, b, buf, 1000)
		assert.Zero(t, testing.AllocsPerRun(20, func() { _, _ = b.WriteAt(buf, 1000) }))
		assert.Zero(t, testing.AllocsPerRun(20, func() { _, _ = b.ReadAt(buf, 0) }))
	})
}

func TestGrowthCopiesNothing(t *testing.T) {
	t.Run("10 GiB, a page in each leaf", func(t *testing.T) {
		const size = 10 << 30
		s := memstoretest.New(t, memstore.Config{Limit: 64 * mib})
		b := newBlob(t, s)
		src := pattern(1)
		_, before := heap()
		for off := int64(2*mib - 1); off < size; off += 2 * mib {
			write(t, b, src, off)
		}
		_, after := heap()
		const leaves = size / (2 * mib)
		assert.EqualValues(t, leaves, b.Allocated())
		assert.LessOrEqual(t, after-before, int64(leaves*2048+leaves*2048/4+1*mib), "each leaf and directory is made once")
	})
	t.Run("512 MiB, appended", func(t *testing.T) {
		const size = 512 * mib
		s := memstoretest.New(t, memstore.Config{Limit: size + 4*mib})
		b := newBlob(t, s)
		src := pattern(128 << 10)
		_, before := heap()
		for off := int64(0); off < size; off += 128 << 10 {
			write(t, b, src, off)
		}
		_, after := heap()
		assert.LessOrEqual(t, after-before, int64(size/200), "half a percent of the data, leaves that doubled included")
	})
}
