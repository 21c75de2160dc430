package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Statx answers statx(2) where the kernel asks for more than GETATTR carries,
// which is the time of birth: ESTALE for a nodeid that is not known.
func (f *FS) Statx(_ <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	ino, err := f.inode(in.NodeId)
	if err != nil {
		return toStatus(err)
	}
	ino.mu.Lock()
	defer ino.mu.Unlock()
	var a fuse.Attr
	ino.attrLocked(&a)
	ino.toldLocked(callerOf(&in.InHeader))
	out.Statx = fuse.Statx{
		Mask:    unix.STATX_BASIC_STATS | unix.STATX_BTIME,
		Blksize: a.Blksize,
		Nlink:   a.Nlink,
		Uid:     a.Uid,
		Gid:     a.Gid,
		Mode:    uint16(a.Mode),
		Ino:     a.Ino,
		Size:    a.Size,
		Blocks:  a.Blocks,
		Atime:   stamp{int64(a.Atime), a.Atimensec}.statx(),
		Btime:   stampOf(ino.btime).statx(),
		Ctime:   stamp{int64(a.Ctime), a.Ctimensec}.statx(),
		Mtime:   stamp{int64(a.Mtime), a.Mtimensec}.statx(),
	}
	out.SetTimeout(f.attrLifeLocked(ino))
	return fuse.OK
}

// statx is put for the protocol's own type.
func (s stamp) statx() (t fuse.SxTime) {
	s.put(&t.Sec, &t.Nsec)
	return t
}
