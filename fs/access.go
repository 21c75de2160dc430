package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Access answers access(2) and chdir(2) on a mount whose permission bits the
// kernel does not check (see Spec.Unchecked of the mount), by the rules of
// generic_permission: EACCES. The kernel sends it from nowhere else, and not at
// all where it checks by itself.
func (f *FS) Access(_ <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	ino, err := f.inode(in.NodeId)
	if err != nil {
		return toStatus(err)
	}
	if !ino.permits(callerOf(&in.InHeader), in.Mask) {
		return toStatus(syscall.EACCES)
	}
	return fuse.OK
}

// permits says whether c may access an inode in the ways of mask (R_OK, W_OK,
// X_OK). Root may, but for executing a file that nobody may execute. Of the
// caller's groups only the first is known.
func (ino *inode) permits(c caller, mask uint32) bool {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	mask &= unix.R_OK | unix.W_OK | unix.X_OK
	switch {
	case c.uid == 0:
		return mask&unix.X_OK == 0 || ino.isDir() || ino.mode&0111 != 0
	case c.uid == ino.uid:
		return ino.mode>>6&mask == mask
	case c.gid == ino.gid:
		return ino.mode>>3&mask == mask
	}
	return ino.mode&mask == mask
}
