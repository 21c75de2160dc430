package memstore

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// heapCopies counts how often the bytes whose complement is given occur in the writable memory of this process. The
// complement keeps the test itself from holding a copy.
func heapCopies(t *testing.T, complement []byte) (n int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	mem, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	defer mem.Close()
	buf, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(buf)) }()
	own := uintptr(unsafe.Pointer(unsafe.SliceData(buf)))
	for line := range strings.Lines(string(maps)) {
		var lo, hi uintptr
		var flags string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &lo, &hi, &flags); err != nil || !strings.HasPrefix(flags, "rw") || lo <= own && own < hi {
			continue
		}
		for at := lo; at < hi; at += 1<<20 - 64 { // pieces that overlap
			got, err := mem.ReadAt(buf[:min(1<<20, hi-at)], int64(at))
			if err != nil {
				break // a mapping that went away meanwhile
			}
			n += complementCount(buf[:got], complement)
		}
	}
	clear(buf)
	return n
}

func complementCount(mem, complement []byte) (n int) {
	first := []byte{^complement[0], ^complement[1], ^complement[2], ^complement[3]}
	for {
		i := bytes.Index(mem, first)
		if i < 0 || i+len(complement) > len(mem) {
			return n
		}
		same := true
		for k := range complement {
			same = same && mem[i+k] == ^complement[k]
		}
		if same {
			n++
		}
		mem = mem[i+1:]
	}
}

// Of an expanded key there is one copy, in the vault, and none once it is destroyed.
func TestExpandedKeysAreInTheVaultOnly(t *testing.T) {
	s := encryptedStore(t)
	var blobs []*Blob
	for range 20 {
		blobs = append(blobs, filled(t, s))
	}
	b := blobs[13]
	at := unsafe.Slice((*byte)(b.key.slot.place.v.UnsafePointer()), b.key.slot.place.v.Type().Elem().Size())
	complement := make([]byte, 32) // two round keys, in the middle of fifteen
	for i := range complement {
		complement[i] = ^at[100+i]
	}
	require.NotEqual(t, bytes.Repeat([]byte{0xff}, 32), complement, "there is a key")
	assert.Equal(t, 1, heapCopies(t, complement))
	b.Free()
	assert.Zero(t, heapCopies(t, complement))
	for _, b := range blobs {
		b.Free()
	}
}

func TestPointerFree(t *testing.T) {
	assert.True(t, pointerFree(reflect.TypeOf(struct {
		a [4]uint32
		b struct{ c int }
	}{})))
	for _, v := range []any{"", []byte{}, map[int]int{}, &struct{}{}, [2]*int{}, struct{ f func() }{}, unsafe.Pointer(nil)} {
		assert.False(t, pointerFree(reflect.TypeOf(v)), "%T", v)
	}
}
