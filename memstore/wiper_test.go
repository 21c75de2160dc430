package memstore

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A large file is overwritten by all processors; what waits counts as used and is told until it is done.
func TestLargeFreesAreOverwrittenInTheBackground(t *testing.T) {
	plainAndEncryptedStores(t, func(t *testing.T, s *Store) {
		const size = 48 << 20
		b := s.NewBlob(3)
		require.NoError(t, b.Allocate(0, size, false))
		_, err := b.WriteAt(secretText, 40<<20)
		require.NoError(t, err)
		used := s.Usage().Used
		s.StopWiper()
		b.Free()
		u := s.Usage()
		assert.GreaterOrEqual(t, u.Wiping, Bytes(size), "all of it waits")
		assert.Equal(t, u.Wiping, s.OwnerUsage(3).Wiping)
		assert.LessOrEqual(t, u.Wiping, u.Used)
		assert.LessOrEqual(t, u.Used, used)

		var wiped atomic.Int64
		inParallel(3, func(int) { // as workOff does
			for s.wiper.work() {
				wiped.Add(1)
			}
		})
		assert.GreaterOrEqual(t, wiped.Load(), int64(size/slabSize))
		assert.Zero(t, s.Usage().Used)
		assert.Zero(t, s.Usage().Wiping)
		require.NoError(t, s.Check())
	})
}

func plainAndEncryptedStores(t *testing.T, test func(t *testing.T, s *Store)) {
	for name, encrypt := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			s, err := New(Config{Limit: 64 << 20, Encrypt: encrypt})
			require.NoError(t, err)
			defer s.Close()
			test(t, s)
		})
	}
}
