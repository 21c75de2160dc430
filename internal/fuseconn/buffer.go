package fuseconn

import (
	"fmt"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	// headroom is what a request or a reply needs beside its payload.
	headroom = 4096
	// scratch is how much of a reply buffer a failed request may have used.
	scratch = 512
	// inHeaderSize and outHeaderSize are the sizes of the headers of a request
	// and of a reply.
	inHeaderSize  = int(unsafe.Sizeof(fuse.InHeader{}))
	outHeaderSize = int(unsafe.Sizeof(fuse.OutHeader{}))
)

// buffer is memory outside the Go heap for requests or replies.
type buffer struct {
	bytes  []byte
	locked bool // since it was made: what was touched is resident
}

// newBuffer maps a buffer that is in no core dump and no forked child, and locks
// it where that is permitted. It becomes resident as it is used (MLOCK_ONFAULT,
// mlock2(2)): few mounts ever see a request of 1 MiB.
func newBuffer(size int) (buffer, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return buffer{}, fmt.Errorf("request buffer of %d bytes: %w", size, err)
	}
	for _, advice := range []int{unix.MADV_DONTDUMP, unix.MADV_DONTFORK} {
		if err := unix.Madvise(b, advice); err != nil {
			_ = unix.Munmap(b)
			return buffer{}, fmt.Errorf("request buffer: madvise: %w", err)
		}
	}
	_, _, errno := unix.Syscall(unix.SYS_MLOCK2, address(b), uintptr(size), unix.MLOCK_ONFAULT)
	return buffer{b, errno == 0}, nil
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// free overwrites the buffer and gives it back.
func (b buffer) free() {
	b.wipe()
	_ = unix.Munmap(b.bytes)
}

// wipe overwrites the buffer. Of one that is locked, pages that are not there
// (mincore(2)) were never touched: to touch them for overwriting would take most
// of the time of a short mount's end.
func (b buffer) wipe() {
	const page = 4096
	there := make([]byte, (len(b.bytes)+page-1)/page)
	_, _, unknown := unix.Syscall(unix.SYS_MINCORE, address(b.bytes), uintptr(len(b.bytes)), address(there))
	for i := range there {
		if !b.locked || unknown != 0 || there[i]&1 != 0 {
			clear(b.bytes[i*page : min(len(b.bytes), (i+1)*page)])
		}
	}
}
