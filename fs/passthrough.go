package fs

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"safetmp/memstore"
)

// Backing is how the kernel is told of the files that it may read and write by
// itself (FUSE_DEV_IOC_BACKING_OPEN and _CLOSE, Linux 6.9).
type Backing interface {
	// OpenBacking makes a file known. The id is positive.
	OpenBacking(fd int) (id int32, err error)
	// CloseBacking makes it unknown again; whoever has it open keeps it.
	CloseBacking(id int32)
}

// PassesThrough says whether the store keeps contents in files, which is for
// the kernel to read and write them without asking (FOPEN_PASSTHROUGH): every
// open is then answered with the file, which is made and told to the kernel
// together with the inode. The kernel keeps files that it caches apart from
// those: one of them is as all.
func (f *FS) PassesThrough() bool { return f.inFiles }

// PassThrough has files told to the kernel by b. It is to be called before the
// first request, if PassesThrough.
func (f *FS) PassThrough(b Backing) {
	f.backing = b
	f.openFlags = fuse.FOPEN_PASSTHROUGH
}

// TryPassThrough tells the kernel of a file and forgets it, to find out whether
// it accepts any: EPERM without CAP_SYS_ADMIN in the initial user namespace.
func (f *FS) TryPassThrough() error {
	c, err := f.newContents(f.opts.OwnerUID, syscall.S_IFREG)
	f.dropContents(c)
	return err
}

// fileContents are the contents of a file that is about to be made.
type fileContents struct {
	blob *memstore.Blob // nil for what has none yet
	id   int32          // by which the kernel knows it
	info memstore.FileInfo
}

// newContents makes what a new file has to have from its beginning: its
// contents, if the kernel is to know them.
func (f *FS) newContents(uid, mode uint32) (c fileContents, err error) {
	if !f.inFiles || mode&syscall.S_IFMT != syscall.S_IFREG {
		return c, nil
	}
	err = f.withReclaim(func() (err error) {
		c.blob, err = f.store.NewFile(uid)
		return err
	})
	if err != nil {
		return fileContents{}, err
	}
	if c.info, err = c.blob.Info(); err == nil {
		err = c.blob.File(func(fd int) (err error) {
			c.id, err = f.backing.OpenBacking(fd)
			return err
		})
	}
	if err != nil {
		c.blob.Free()
		return fileContents{}, err
	}
	return c, nil
}

// dropContents is the opposite of newContents.
func (f *FS) dropContents(c fileContents) {
	if c.blob != nil {
		f.backing.CloseBacking(c.id)
		c.blob.Free()
	}
}

// own makes contents those of a new inode, which is as old as they are: the
// kernel's clock for files and ours differ by some milliseconds.
func (ino *inode) own(c fileContents) {
	if c.blob == nil {
		return
	}
	ino.blob.Store(c.blob)
	ino.makeRareLocked().backing = c.id
	ino.btime = unix.TimespecToNsec(c.info.Mtime)
	ino.ctime = unix.TimespecToNsec(c.info.Ctime)
	ino.mtime = stampOfSpec(c.info.Ctime)
}

// fileAttrLocked fills in what the kernel may have changed by itself. Its clock
// for files lags behind ours by up to a tick, so that a change of its may seem
// older than one of ours before: ino.mtime, which is of no other use here,
// remembers the last ctime of the file.
//
// Preconditions: ino.mu is held.
func (ino *inode) fileAttrLocked(b *memstore.Blob, a *fuse.Attr) {
	info, err := b.Info()
	if err != nil {
		return // given back meanwhile
	}
	a.Size = uint64(info.Size)
	a.Blocks = uint64(info.Allocated) * (memstore.PageSize / statBlock)
	stampOfSpec(info.Atime).put(&a.Atime, &a.Atimensec)
	stampOfSpec(info.Mtime).put(&a.Mtime, &a.Mtimensec)
	if changed := stampOfSpec(info.Ctime); changed != ino.mtime {
		ino.mtime = changed
		ino.ctime = max(unix.TimespecToNsec(info.Ctime), ino.ctime+1)
	}
	stampOf(ino.ctime).put(&a.Ctime, &a.Ctimensec)
}

func stampOfSpec(t unix.Timespec) stamp { return stamp{t.Sec, uint32(t.Nsec)} }

// attrLifeLocked is how long the kernel may believe the attributes of ino. What
// it writes by itself it knows of, except what programs write through a mapping.
//
// Preconditions: ino.mu is held.
func (f *FS) attrLifeLocked(ino *inode) time.Duration {
	if !ino.mappable {
		return forever
	}
	if b := ino.contents(); ino.opens > 0 || b != nil && !b.Alone() {
		return 0
	}
	ino.mappable = false
	return forever
}

// setFileTimes carries out utimensat(2) on contents in a file.
func setFileTimes(b *memstore.Blob, in *fuse.SetAttrIn) error {
	if in.Valid&(fuse.FATTR_ATIME|fuse.FATTR_MTIME) == 0 {
		return nil
	}
	return b.SetTimes(
		requestedSpec(in.Valid&fuse.FATTR_ATIME != 0, in.Valid&fuse.FATTR_ATIME_NOW != 0, in.Atime, in.Atimensec),
		requestedSpec(in.Valid&fuse.FATTR_MTIME != 0, in.Valid&fuse.FATTR_MTIME_NOW != 0, in.Mtime, in.Mtimensec))
}

func requestedSpec(set, now bool, sec uint64, nsec uint32) unix.Timespec {
	switch {
	case !set:
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	case now:
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	}
	return unix.Timespec{Sec: int64(sec), Nsec: int64(nsec)}
}

// emptyIfSpent overwrites what ino holds before the request is answered that
// took its last name, if nobody has it open or mapped and room is short: the
// kernel tells of its last reference only after that, and a program that deletes
// and then writes must not see ENOSPC. A name that the kernel has looked up
// before cannot be opened any more.
//
// Preconditions: no lock is held but that of lifetimes.
func (f *FS) emptyIfSpent(ino *inode) {
	if !f.inFiles || ino == nil || !f.store.Tight() {
		return
	}
	ino.mu.Lock()
	b := ino.contents()
	spent := b != nil && !ino.gone && ino.nlink == 0 && ino.opens == 0 && b.Alone()
	ino.expired = ino.expired || spent
	ino.mu.Unlock()
	if spent && f.cutInSteps(b, 0, maxOffset) == nil {
		_ = b.Truncate(0) // if it fails, it is given back all the same
	}
}

// cutStep is how much of a file is overwritten at a time, in bytes: some
// milliseconds of work.
const cutStep = 16 << 20

// cutInSteps makes holes of what lies in [off, end) of a file that is about to
// lose it, and lets other requests be served in between.
func (f *FS) cutInSteps(b *memstore.Blob, off, end int64) error {
	if !f.inFiles || f.lives != nil { // whose lock is held
		return nil
	}
	for {
		from, err := b.SeekData(off)
		if err != nil || end-from <= cutStep {
			return nil // the rest is one step; what is wrong it says as well
		}
		if err := b.Punch(from, cutStep); err != nil {
			return err
		}
		off = from + cutStep
		f.pause(0)
	}
}
