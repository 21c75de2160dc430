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
	s := memstoretest.New(t, memstore.Config{Limit: 8 * mib})
	b := newBlob(t, s)
	buf := pattern(mib)
	write(t, b, buf, 1000)
	assert.Zero(t, testing.AllocsPerRun(20, func() { _, _ = b.WriteAt(buf, 1000) }))
	assert.Zero(t, testing.AllocsPerRun(20, func() { _, _ = b.ReadAt(buf, 0) }))
}
