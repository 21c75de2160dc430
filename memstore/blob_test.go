package memstore

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteReadFree(t *testing.T) {
	s, err := New(Config{Limit: 64 << 20})
	require.NoError(t, err)
	defer s.Close()
	b := s.NewBlob(1)
	src := make([]byte, 5<<20)
	for i := range src {
		src[i] = byte(i * 7 / 3)
	}
	n, err := b.WriteAt(src, 4095)
	require.NoError(t, err)
	require.Equal(t, len(src), n)
	dst := make([]byte, len(src)+10000)
	n, err = b.ReadAt(dst, 0)
	require.NoError(t, err)
	require.Equal(t, len(src)+4095, n)
	assert.Equal(t, make([]byte, 4095), dst[:4095])
	assert.Equal(t, src, dst[4095:n])
	b.Free()
	for s.wiper.help() {
	}
	assert.Zero(t, s.Usage().Used)
}
