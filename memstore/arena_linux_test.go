package memstore

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func addressOf(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }

// residentPages counts the pages of a slab that are in memory (mincore(2)).
func residentPages(t *testing.T, slab []byte) (n int) {
	t.Helper()
	vec := make([]byte, len(slab)/PageSize)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, addressOf(slab), uintptr(len(slab)), addressOf(vec))
	require.Zero(t, errno)
	for _, v := range vec {
		n += int(v & 1)
	}
	return n
}
