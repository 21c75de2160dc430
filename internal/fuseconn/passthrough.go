package fuseconn

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// ErrNoPassthrough says that the kernel does not let files be read and written
// without asking, which the filesystem is made for.
var ErrNoPassthrough = errors.New("no FUSE passthrough here")

// Calls on the device about files that the kernel uses by itself
// (include/uapi/linux/fuse.h). BackingCalls lists them for a filter of system
// calls.
const (
	backingOpen  = 0x4010e501 // FUSE_DEV_IOC_BACKING_OPEN
	backingClose = 0x4004e502 // FUSE_DEV_IOC_BACKING_CLOSE
)

// BackingCalls are the requests of ioctl(2) by which files are told to the
// kernel.
var BackingCalls = []uint64{backingOpen, backingClose}

// backingDepth is how many filesystems may lie on top of one another below this
// one: one, which is no such filesystem itself. Without passthrough it means
// nothing.
const backingDepth = 1

// choosePassthrough returns the capability if the filesystem needs it.
func (c *Conn) choosePassthrough(offered uint64) (uint64, error) {
	if !c.fs.PassesThrough() {
		return 0, nil
	}
	if offered&fuse.CAP_PASSTHROUGH == 0 {
		return 0, fmt.Errorf("%w: the kernel does not offer it (Linux 6.9 with CONFIG_FUSE_PASSTHROUGH)", ErrNoPassthrough)
	}
	c.fs.PassThrough(c)
	return fuse.CAP_PASSTHROUGH, nil
}

// tryPassthrough finds out whether the kernel accepts files from this process.
func (c *Conn) tryPassthrough() error {
	if !c.fs.PassesThrough() {
		return nil
	}
	if err := c.fs.TryPassThrough(); err != nil {
		return fmt.Errorf("%w: telling the kernel of a file: %w", ErrNoPassthrough, err)
	}
	return nil
}

// backingMap is struct fuse_backing_map.
type backingMap struct {
	fd      int32
	flags   uint32
	padding uint64
}

// OpenBacking makes a file known to the kernel, which keeps it open until
// CloseBacking. It needs CAP_SYS_ADMIN in the initial user namespace.
func (c *Conn) OpenBacking(fd int) (id int32, err error) {
	m := backingMap{fd: int32(fd)}
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(c.fd), backingOpen, uintptr(unsafe.Pointer(&m)))
	if errno != 0 {
		return 0, errno
	}
	return int32(n), nil
}

// CloseBacking makes it unknown again. Once the connection has ended the kernel
// has forgotten all.
func (c *Conn) CloseBacking(id int32) {
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(c.fd), backingClose, uintptr(unsafe.Pointer(&id)))
}
