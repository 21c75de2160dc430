package fs

import (
	"math"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// maxOffset is the largest size of a file, in bytes (MAX_LFS_FILESIZE).
const maxOffset = math.MaxInt64

// Flush answers ENOSYS: close(2) has nothing to wait for.
func (f *FS) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

// Fsync answers ENOSYS, which the kernel takes as success from then on: there
// is no storage behind the memory.
func (f *FS) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.ENOSYS }

// FsyncDir is Fsync for directories.
func (f *FS) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.ENOSYS }

// Read reads a regular file into buf (read(2)). The result's Done overwrites
// buf, so that no contents stay in a buffer that is used again.
func (f *FS) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, status := f.ReadInto(in, buf)
	if status != fuse.OK {
		return nil, status
	}
	return &readReply{ReadResult: fuse.ReadResultData(buf[:n]), buf: buf[:n]}, fuse.OK
}

// readReply is a reply to READ that is overwritten once it was sent.
type readReply struct {
	fuse.ReadResult
	buf []byte
}

// Done is called once the reply was written to the kernel.
func (r *readReply) Done() { clear(r.buf) }

// ReadInto is Read for a transport that owns and overwrites its buffers. It
// returns how many bytes of dst, at most in.Size, it filled; fewer mean the end
// of the file. Errors: ESTALE, EISDIR, EINVAL.
func (f *FS) ReadInto(in *fuse.ReadIn, dst []byte) (int, fuse.Status) {
	ino, err := f.regular(in.NodeId)
	if err != nil {
		return 0, toStatus(err)
	}
	if in.Offset > maxOffset {
		return 0, fuse.EINVAL
	}
	dst = dst[:min(len(dst), int(in.Size))]
	n := 0
	if b := ino.contents(); b != nil {
		n, err = b.ReadAt(dst, int64(in.Offset))
	}
	if err != nil {
		return 0, toStatus(f.noteCorrupt(ino, err))
	}
	if in.ReadFlags&fuse.READ_LOCKOWNER == 0 { // the kernel reads pages for nobody in particular
		f.passedPageCache(ino)
	}
	f.accessed(ino, in.Flags)
	return n, fuse.OK
}

// Write writes to a regular file (write(2)). Where room runs out the count is
// short, as on tmpfs; ENOSPC or EDQUOT only if nothing fits. data is the
// caller's, who overwrites it after the reply.
func (f *FS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, err := f.write(in, data)
	return uint32(n), toStatus(err)
}

func (f *FS) write(in *fuse.WriteIn, data []byte) (int, error) {
	ino, err := f.regular(in.NodeId)
	if err != nil {
		return 0, err
	}
	if in.Offset > maxOffset {
		return 0, syscall.EFBIG
	}
	b, err := f.contentsOf(ino)
	if err != nil {
		return 0, err
	}
	var n int
	err = f.withReclaim(func() (err error) {
		n, err = b.WriteAt(data, int64(in.Offset))
		return err
	})
	if err != nil {
		return 0, f.noteCorrupt(ino, err)
	}
	if in.WriteFlags&fuse.WRITE_CACHE != 0 {
		f.passedPageCache(ino)
	}
	now := f.now()
	ino.mu.Lock()
	ino.touchLocked(now)
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		ino.killPrivLocked(callerOf(&in.InHeader))
	}
	ino.mu.Unlock()
	if in.WriteFlags&fuse.WRITE_CACHE != 0 {
		f.overtakeLater(ino)
	}
	return n, nil
}

// Fallocate answers fallocate(2): allocation with and without KEEP_SIZE,
// PUNCH_HOLE and ZERO_RANGE as on tmpfs; EOPNOTSUPP for the other modes, ENOSPC
// with nothing allocated.
func (f *FS) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return toStatus(f.fallocate(in))
}

// Modes of fallocate(2).
const (
	fallocKeepSize  = 0x01
	fallocPunchHole = 0x02
	fallocZeroRange = 0x10
)

func (f *FS) fallocate(in *fuse.FallocateIn) error {
	ino, err := f.regular(in.NodeId)
	if err != nil {
		return err
	}
	if in.Length == 0 || in.Offset > maxOffset || in.Length > maxOffset-in.Offset {
		return syscall.EFBIG
	}
	b, err := f.contentsOf(ino)
	if err != nil {
		return err
	}
	off, n := int64(in.Offset), int64(in.Length)
	keep := in.Mode&fallocKeepSize != 0
	switch in.Mode {
	case 0, fallocKeepSize:
		err = f.withReclaim(func() error { return b.Allocate(off, n, keep) })
	case fallocPunchHole | fallocKeepSize:
		if err = f.cutInSteps(b, off, off+n); err == nil {
			err = b.Punch(off, n)
		}
	case fallocZeroRange, fallocZeroRange | fallocKeepSize:
		err = f.withReclaim(func() error { return b.Zero(off, n, keep) })
	default:
		return syscall.EOPNOTSUPP
	}
	if err == nil {
		c := callerOf(&in.InHeader)
		f.modified(ino, c)
		f.overtake(c, ino)
	}
	return f.noteCorrupt(ino, err)
}

// modified marks the contents as changed by c. The kernel does not say for
// every operation whether c may keep set-id bits, so that root alone does.
func (f *FS) modified(ino *inode, c caller) {
	now := f.now()
	ino.mu.Lock()
	defer ino.mu.Unlock()
	ino.touchLocked(now)
	if c.uid != 0 {
		ino.killPrivLocked(c)
	}
}

// Lseek answers SEEK_DATA and SEEK_HOLE (lseek(2)): ENXIO at or beyond the end.
func (f *FS) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	return toStatus(f.lseek(in, out))
}

// Values of whence for lseek(2) that reach a filesystem.
const (
	seekData = 3
	seekHole = 4
)

func (f *FS) lseek(in *fuse.LseekIn, out *fuse.LseekOut) error {
	ino, err := f.regular(in.NodeId)
	if err != nil {
		return err
	}
	if in.Offset > maxOffset {
		return syscall.ENXIO
	}
	b, err := f.contentsOf(ino)
	if err != nil {
		return err
	}
	var at int64
	switch in.Whence {
	case seekData:
		at, err = b.SeekData(int64(in.Offset))
	case seekHole:
		at, err = b.SeekHole(int64(in.Offset))
	default:
		err = syscall.EINVAL
	}
	if err == nil {
		out.Offset = uint64(at)
	}
	return err
}
