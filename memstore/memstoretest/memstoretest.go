// Package memstoretest makes stores for tests and holds each against itself when its test ends.
//
// # Guarantees
//
// A test whose store fails Store.Check, or still counts bytes or inodes once everything should be free, fails.
//
// # Not guaranteed
//
// Nothing is checked after Store.Close, which a test may call itself.
package memstoretest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
)

// New returns a store that the test need not close. When the test ends the store must pass CheckOnCleanup and count nothing: by
// then every blob is to be freed and every inode and metadata byte released, in cleanups registered after this call or in the
// test itself.
func New(t testing.TB, cfg memstore.Config) *memstore.Store {
	t.Helper()
	s, err := memstore.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	t.Cleanup(func() {
		u := s.Usage()
		assert.Zero(t, u.Used, "bytes still counted at the end of the test (%d of them metadata)", u.Meta)
		assert.Zero(t, u.Inodes, "inodes still counted at the end of the test")
	})
	CheckOnCleanup(t, s)
	return s
}

// CheckOnCleanup makes the test fail if the store contradicts itself when the test ends. It may still hold blobs. Cleanups run
// last in, first out: register it before whatever closes the store.
func CheckOnCleanup(t testing.TB, s *memstore.Store) {
	t.Helper()
	t.Cleanup(func() { assert.NoError(t, s.Check()) })
}
