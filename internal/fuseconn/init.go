package fuseconn

import (
	"errors"
	"fmt"
	"os"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Version 7.28 of the protocol is the oldest that has all that fs relies on:
// RENAME2, MAX_PAGES, cached directories (Linux 4.20). What newer ones add is
// asked for by flag.
const (
	protoMajor    = 7
	oldestMinor   = 28
	speaksMinor   = 44
	epochMinor    = 44 // FUSE_NOTIFY_INC_EPOCH (Linux 6.16)
	maxBackground = 64
)

// wanted are the capabilities that are switched on where the kernel offers
// them.
//
//   - HANDLE_KILLPRIV_V2: without it each write(2) first asks for
//     security.capability.
//   - READDIRPLUS_AUTO: attributes come with a listing when they are used.
//   - EXPLICIT_INVAL_DATA: the page cache stays valid when mtime changes, as
//     nobody but this kernel writes.
//   - DIRECT_IO_ALLOW_MMAP (Linux 6.6): files that bypass the page cache can be
//     mapped shared all the same.
//   - no POSIX_LOCKS, FLOCK_LOCKS: the kernel keeps locks by itself.
//   - no CACHE_SYMLINKS: a target is judged again each time it is read.
const wanted = fuse.CAP_ASYNC_READ | fuse.CAP_BIG_WRITES | fuse.CAP_READDIRPLUS | fuse.CAP_READDIRPLUS_AUTO |
	fuse.CAP_NO_OPEN_SUPPORT | fuse.CAP_PARALLEL_DIROPS | fuse.CAP_MAX_PAGES | fuse.CAP_HANDLE_KILLPRIV_V2 |
	fuse.CAP_EXPLICIT_INVAL_DATA | fuse.CAP_INIT_EXT | fuse.CAP_DIRECT_IO_ALLOW_MMAP

// ErrProtocol says that the kernel's FUSE is older than what safetmp needs.
var ErrProtocol = errors.New("kernel too old: safetmp needs FUSE protocol 7.28 (Linux 4.20)")

// initBuffer is as much as the kernel wants to be read at least
// (FUSE_MIN_READ_BUFFER).
const initBuffer = 8192

// Init answers the first request of the connection, once there is everything
// that the answer promises.
//
// Errors: ErrProtocol; ErrNoRings; ErrNoPassthrough; ENOMEM for buffers. The
// connection is then to be closed.
func (c *Conn) Init() error {
	buf := make([]byte, initBuffer)
	n, err := c.readFirst(buf)
	if err != nil {
		return err
	}
	// Older kernels send a shorter request; what is missing is zero.
	in, _, ok := input[fuse.InitIn](request{head: buf[:max(n, sizeOf[fuse.InitIn]())]})
	if !ok || in.Opcode != opInit {
		return errors.New("fuse device: the first request is not INIT")
	}
	out := make([]byte, initBuffer)
	if err := c.agree(in, output[fuse.InitOut](out)); err != nil {
		c.write(finish(out, in.Unique, 0, fuse.Status(unix.EPROTO)))
		return err
	}
	c.write(finish(out, in.Unique, sizeOf[fuse.InitOut](), fuse.OK))
	return c.tryPassthrough()
}

// agree fills in the answer to INIT and makes what it promises.
func (c *Conn) agree(in *fuse.InitIn, out *fuse.InitOut) error {
	if in.Major != protoMajor || in.Minor < oldestMinor {
		return fmt.Errorf("%w; this one speaks %d.%d", ErrProtocol, in.Major, in.Minor)
	}
	passing, err := c.choosePassthrough(in.Flags64())
	if err != nil {
		return err
	}
	maxWrite, err := c.chooseTransport(in.Flags64())
	if err != nil {
		return err
	}
	flags := in.Flags64() & wanted
	if c.rings != nil {
		flags |= fuse.CAP_OVER_IO_URING
	}
	*out = parameters(in, flags|passing, maxWrite)
	c.directMmap = flags&fuse.CAP_DIRECT_IO_ALLOW_MMAP != 0
	c.fs.OnOvertaken(c.invalAttr)
	if in.Minor >= epochMinor {
		c.fs.AllowNameCache(c.incEpoch)
	}
	return nil
}

// readFirst reads INIT, which is there as soon as the filesystem is mounted.
func (c *Conn) readFirst(buf []byte) (int, error) {
	for {
		n, err := unix.Read(c.fd, buf)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return 0, os.NewSyscallError("read /dev/fuse", err)
		}
	}
}

// parameters are those of the connection.
func parameters(in *fuse.InitIn, flags uint64, maxWrite int) fuse.InitOut {
	return fuse.InitOut{
		Major:               protoMajor,
		Minor:               min(in.Minor, speaksMinor),
		MaxReadAhead:        in.MaxReadAhead,
		Flags:               uint32(flags),
		Flags2:              uint32(flags >> 32),
		MaxBackground:       maxBackground,
		CongestionThreshold: maxBackground * 3 / 4,
		MaxWrite:            uint32(maxWrite),
		TimeGran:            1,
		MaxPages:            uint16(maxWrite / 4096),
		MaxStackDepth:       backingDepth,
	}
}
