package memstore

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// file is the contents of one blob in a file of the store's tmpfs. Whoever else has it open works on it at the same time; what
// the kernel does in one call is atomic, what takes several here is not. Its methods want Blob.mu held, for writing unless they
// only look.
type file int // its descriptor, open for reading and writing

// FileInfo is what the kernel knows of a blob that lies in a file.
type FileInfo struct {
	Size                int64
	Allocated           Pages
	Atime, Mtime, Ctime unix.Timespec
}

func (f file) info() (FileInfo, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f), &s); err != nil {
		return FileInfo{}, fileError("looking at a file", err)
	}
	return FileInfo{Size: s.Size, Allocated: Pages(s.Blocks * 512 / PageSize), Atime: s.Atim, Mtime: s.Mtim, Ctime: s.Ctim}, nil
}

func (f file) readAt(dst []byte, off int64) (done int, err error) {
	for done < len(dst) {
		n, err := unix.Pread(int(f), dst[done:], off+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return done, fileError("reading", err)
		case n == 0:
			return done, nil
		default:
			done += n
		}
	}
	return done, nil
}

// writeAt returns an error only if nothing was written.
func (f file) writeAt(src []byte, off int64) (done int, err error) {
	for done < len(src) {
		n, err := unix.Pwrite(int(f), src[done:], off+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil && done == 0:
			return 0, fileError("writing", err)
		case err != nil || n == 0:
			return done, nil
		default:
			done += n
		}
	}
	return done, nil
}

// truncate sets the size, and overwrites what it cuts before the kernel frees it.
func (f file) truncate(size int64) error {
	old, err := f.info()
	if err != nil {
		return err
	}
	if size < old.Size {
		_, err = f.scrub(size, old.Size)
	} else if size > old.Size {
		err = f.zeroTail(old.Size) // growing again reads zeros
	}
	if err != nil {
		return err
	}
	return f.try("truncating", func() error { return unix.Ftruncate(int(f), size) })
}

// allocate is fallocate(2), which does all of it or nothing.
func (f file) allocate(off, end int64, keepSize bool) error {
	var mode uint32
	if keepSize {
		mode = unix.FALLOC_FL_KEEP_SIZE
	}
	return f.try("allocating", func() error { return unix.Fallocate(int(f), mode, off, end-off) })
}

// punch makes a hole of [off, end), and overwrites what lies there before the kernel frees it.
func (f file) punch(off, end int64) error {
	if _, err := f.scrub(off, end); err != nil {
		return err
	}
	return f.try("punching a hole", func() error {
		return unix.Fallocate(int(f), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, end-off)
	})
}

// zero makes [off, end) zeros for which there are pages. tmpfs has no FALLOC_FL_ZERO_RANGE.
func (f file) zero(off, end int64, keepSize bool) error {
	if err := f.allocate(off, end, keepSize); err != nil {
		return err
	}
	_, err := f.scrub(off, end)
	return err
}

// seek is lseek(2) for SEEK_DATA or SEEK_HOLE. Pages that were allocated and never written to are a hole here.
func (f file) seek(off int64, data bool) (int64, error) {
	whence := unix.SEEK_HOLE
	if data {
		whence = unix.SEEK_DATA
	}
	at, err := unix.Seek(int(f), off, whence)
	if err != nil {
		return 0, fileError("seeking", err)
	}
	return at, nil
}

// setTimes changes times as utimensat(2) does, UTIME_OMIT included.
func (f file) setTimes(atime, mtime unix.Timespec) error {
	times := [2]unix.Timespec{atime, mtime}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(f), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return fileError("setting times", errno)
	}
	return nil
}

// alone reports whether nobody but the store has the file open or mapped: only then is a write lease given (fcntl(2)).
func (f file) alone() bool {
	if _, err := unix.FcntlInt(uintptr(f), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return false
	}
	_, _ = unix.FcntlInt(uintptr(f), unix.F_SETLEASE, unix.F_UNLCK)
	return true
}

// nothing is what contents are overwritten with: read only.
var nothing [256 << 10]byte

// scrub overwrites what there is in [off, end) with zeros and returns how many bytes that were. Size and allocation stay. The
// end of the last page, beyond the size, holds what was written through a mapping: it is made zero if end reaches the size.
func (f file) scrub(off, end int64) (done int64, err error) {
	info, err := f.info()
	if err != nil {
		return 0, err
	}
	if end >= info.Size && off < info.Size {
		if err := f.zeroTail(info.Size); err != nil {
			return 0, err
		}
	}
	for end = min(end, info.Size); off < end; {
		from, err := f.seek(off, true)
		if errors.Is(err, ErrNoData) {
			return done, nil
		}
		if err != nil || from >= end {
			return done, err
		}
		if off, err = f.seek(from, false); err != nil {
			return done, err
		}
		for off = min(off, end); from < off; {
			n, err := f.writeAt(nothing[:min(off-from, int64(len(nothing)))], from)
			if err != nil {
				return done, err
			}
			from, done = from+int64(n), done+int64(n)
		}
	}
	return done, nil
}

// zeroTail makes what lies beyond the size in the last page zero. The kernel does that for the part of a page that a hole
// takes, and for nothing else.
func (f file) zeroTail(size int64) error {
	n := min(PageSize-size%PageSize, MaxSize-size)
	if size%PageSize == 0 || n == 0 {
		return nil
	}
	return f.try("overwriting", func() error {
		return unix.Fallocate(int(f), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, size, n)
	})
}

// empty overwrites all that there is, gives the pages back and returns how many bytes it overwrote.
func (f file) empty() (int64, error) {
	done, err := f.scrub(0, math.MaxInt64)
	if err != nil {
		return done, err
	}
	return done, f.try("truncating", func() error { return unix.Ftruncate(int(f), 0) })
}

func (f file) close() { _ = unix.Close(int(f)) }

// try runs a call until no signal interrupts it.
func (f file) try(doing string, call func() error) error {
	if err := retry(call); err != nil {
		return fileError(doing, err)
	}
	return nil
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// fileError turns what the kernel says about a file into one of our kinds.
func fileError(doing string, err error) error {
	kind := ErrInvalid
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ENOMEM):
		kind = ErrNoSpace
	case errors.Is(err, unix.EFBIG):
		kind = ErrFileTooBig
	case errors.Is(err, unix.ENXIO):
		kind = ErrNoData
	}
	return fmt.Errorf("memstore: %s: %w: %w", doing, kind, err)
}
