package fuseconn

import (
	"encoding/binary"
	"log/slog"
	"os"
	"testing"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"
)

// FuzzRequests feeds a filesystem with sequences of arbitrary requests: each
// gets one well-formed reply or none, and the filesystem stays consistent.
func FuzzRequests(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzRequests")
	require.NoError(f, err)
	require.NotEmpty(f, seeds, "the seed corpus is part of the test")
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := &Conn{fs: newFS(t), log: slog.New(slog.DiscardHandler)}
		out := make([]byte, MaxWrite+headroom)
		for round := 0; len(stream) > 3 && round < 64; round++ {
			op, node, n := uint32(stream[0])%opcodes, uint64(stream[1])%16, int(stream[2])
			body := stream[3:min(len(stream), 3+n)]
			stream = stream[3+len(body):]
			checkReply(t, c.handle(request{head: message(op, uint64(round), node, body)}, out), uint64(round))
		}
	})
}

func checkReply(t *testing.T, got []byte, unique uint64) {
	t.Helper()
	if got == nil {
		return
	}
	require.GreaterOrEqual(t, len(got), outHeaderSize)
	require.EqualValues(t, len(got), binary.NativeEndian.Uint32(got))
	h := (*fuse.OutHeader)(unsafe.Pointer(&got[0]))
	require.Equal(t, unique, h.Unique)
	require.True(t, h.Status <= 0 && h.Status > -512, "status %d", h.Status)
	require.NotEqual(t, fuse.EIO, fuse.Status(-h.Status), "a panic or an unknown error")
}
