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

// newBuffer maps memory outside the Go heap that is in no core dump and no
// forked child, and locks it where that is permitted.
func newBuffer(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("request buffer of %d bytes: %w", size, err)
	}
	for _, advice := range []int{unix.MADV_DONTDUMP, unix.MADV_DONTFORK} {
		if err := unix.Madvise(b, advice); err != nil {
			freeBuffer(b)
			return nil, fmt.Errorf("request buffer: madvise: %w", err)
		}
	}
	_ = unix.Mlock(b)
	return b, nil
}

func freeBuffer(b []byte) {
	clear(b)
	_ = unix.Munmap(b)
}
