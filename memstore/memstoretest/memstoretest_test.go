package memstoretest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

// recorder stands in for a test, so that its failure can be asserted.
type recorder struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) end() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

func TestWhatIsLeftFailsTheTest(t *testing.T) {
	for name, c := range map[string]struct {
		leave    func(s *memstore.Store) error
		failures int
	}{
		"nothing":  {func(*memstore.Store) error { return nil }, 0},
		"a page":   {func(s *memstore.Store) error { return s.NewBlob(0).Allocate(0, 1, false) }, 1},
		"an inode": {func(s *memstore.Store) error { return s.ReserveInode(0) }, 1},
		"a name":   {func(s *memstore.Store) error { return s.ChargeMeta(0, 10) }, 1},
		"a large file that is freed": {func(s *memstore.Store) error {
			b := s.NewBlob(0)
			defer b.Free()
			return b.Allocate(0, 8<<20, false)
		}, 0},
		"a closed store": {func(s *memstore.Store) error { s.Close(); return nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			s := memstoretest.New(r, memstore.Config{Limit: 64 << 20})
			require.NoError(t, c.leave(s))
			r.end()
			assert.Len(t, r.failures, c.failures)
		})
	}
}
