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

// Init answers the first request of the connection.
func (c *Conn) Init() error {
	r := c.readers[0]
	n, err := c.readFirst(r)
	if err != nil {
		return err
	}
	in, _, ok := input[fuse.InitIn](pad(r.in, n))
	if !ok || in.Opcode != opInit {
		return errors.New("fuse device: the first request is not INIT")
	}
	if in.Major != protoMajor || in.Minor < oldestMinor {
		c.write(finish(r.out, in.Unique, 0, fuse.Status(unix.EPROTO)))
		return fmt.Errorf("%w; this one speaks %d.%d", ErrProtocol, in.Major, in.Minor)
	}
	if in.Minor >= epochMinor {
		c.fs.AllowNameCache(c.incEpoch)
	}
	reply := output[fuse.InitOut](r.out)
	*reply = negotiate(in)
	c.directMmap = reply.Flags2&(fuse.CAP_DIRECT_IO_ALLOW_MMAP>>32) != 0
	c.write(finish(r.out, in.Unique, sizeOf[fuse.InitOut](), fuse.OK))
	clear(r.in[:n])
	return nil
}

// readFirst reads INIT, which is there as soon as the filesystem is mounted.
func (c *Conn) readFirst(r *reader) (int, error) {
	for {
		n, err := unix.Read(c.fd, r.in)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return 0, os.NewSyscallError("read /dev/fuse", err)
		}
	}
}

// pad returns at least a whole INIT request: older kernels send a shorter one,
// and what is missing is zero.
func pad(buf []byte, n int) []byte { return buf[:max(n, sizeOf[fuse.InitIn]())] }

// negotiate chooses the parameters of the connection.
func negotiate(in *fuse.InitIn) fuse.InitOut {
	flags := in.Flags64() & wanted
	return fuse.InitOut{
		Major:               protoMajor,
		Minor:               min(in.Minor, speaksMinor),
		MaxReadAhead:        in.MaxReadAhead,
		Flags:               uint32(flags),
		Flags2:              uint32(flags >> 32),
		MaxBackground:       maxBackground,
		CongestionThreshold: maxBackground * 3 / 4,
		MaxWrite:            MaxWrite,
		TimeGran:            1,
		MaxPages:            MaxWrite / 4096,
	}
}
