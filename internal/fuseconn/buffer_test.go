package fuseconn

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// resident says which pages of a buffer are there.
func resident(t *testing.T, b buffer) []byte {
	t.Helper()
	there := make([]byte, len(b.bytes)/4096)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, address(b.bytes), uintptr(len(b.bytes)), address(there))
	require.Zero(t, errno)
	return there
}

// What was touched is overwritten, wherever it lies; what was not does not become resident.
func TestWipeBuffer(t *testing.T) {
	for _, locked := range []bool{true, false} {
		b, err := newBuffer(16 * 4096)
		require.NoError(t, err)
		if locked && !b.locked {
			t.Log("nothing can be locked here")
			continue
		}
		b.locked = locked
		for _, at := range []int{0, 5*4096 - 3, len(b.bytes) - 6} {
			copy(b.bytes[at:], "marker")
		}
		require.Equal(t, 3, bytes.Count(b.bytes, []byte("marker")))
		b.wipe()
		assert.Zero(t, bytes.Count(b.bytes, []byte{0})-len(b.bytes))
		require.NoError(t, unix.Munmap(b.bytes))
	}
	b, err := newBuffer(16 * 4096)
	require.NoError(t, err)
	if b.locked {
		b.bytes[7*4096] = 1
		b.wipe()
		assert.Equal(t, 1, bytes.Count(resident(t, b), []byte{1}))
		assert.Zero(t, b.bytes[7*4096])
	}
	b.free()
}
