package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Unlink removes an entry that is not a directory, by either of its names
// (unlink(2)): ENOENT, EISDIR.
func (f *FS) Unlink(_ <-chan struct{}, h *fuse.InHeader, rawName string) fuse.Status {
	f.enter(h.NodeId)
	defer f.leave()
	ino, err := f.remove(callerOf(h), h.NodeId, rawName, false)
	f.emptyIfSpent(ino)
	return toStatus(err)
}

// Rmdir removes an empty directory, by either of its names (rmdir(2)): ENOENT,
// ENOTDIR, ENOTEMPTY.
func (f *FS) Rmdir(_ <-chan struct{}, h *fuse.InHeader, rawName string) fuse.Status {
	f.enter(h.NodeId)
	defer f.leave()
	_, err := f.remove(callerOf(h), h.NodeId, rawName, true)
	return toStatus(err)
}

// remove takes an entry out of a directory and returns the inode it led to.
func (f *FS) remove(c caller, nodeid uint64, rawName string, wantDir bool) (*inode, error) {
	dir, err := f.directory(nodeid)
	if err != nil {
		return nil, err
	}
	ino, err := f.removeFrom(c, dir, rawName, wantDir)
	if err == nil {
		f.overtake(c, dir)
	}
	return ino, err
}

func (f *FS) removeFrom(c caller, dir *inode, rawName string, wantDir bool) (*inode, error) {
	s := f.scopeOf(c)
	dir.dir.mu.Lock()
	defer dir.dir.mu.Unlock()
	e := dir.dir.resolveLocked(s, rawName)
	switch {
	case e == nil:
		return nil, syscall.ENOENT
	case wantDir && !e.ino.isDir():
		return nil, syscall.ENOTDIR
	case !wantDir && e.ino.isDir():
		return nil, syscall.EISDIR
	}
	if wantDir {
		if err := e.ino.dir.bury(); err != nil {
			return nil, err
		}
	}
	f.unhangLocked(e)
	f.otherName(e, rawName)
	ino := e.ino
	e.wipeNames(nil)
	return ino, nil
}

// bury marks an empty directory as removed, ENOTEMPTY if it is not empty.
func (d *directory) bury() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.byName) > 0 {
		return syscall.ENOTEMPTY
	}
	d.dead = true
	return nil
}

// unhangLocked takes e out of its directory for good and takes the link from
// its inode, which is given back unless the kernel still holds it.
//
// Preconditions: e.dir.dir.mu is held; e is in it.
func (f *FS) unhangLocked(e *dentry) {
	now := f.now()
	f.takeOutLocked(e)
	f.stampParent(e.dir, now, e.ino.isDir(), -1)
	if f.dropLink(e, now) {
		f.dispose(e.ino)
	}
}

// takeOutLocked removes e from its directory and gives back what its names
// cost.
//
// Preconditions: e.dir.dir.mu is held; e is in it.
func (f *FS) takeOutLocked(e *dentry) {
	e.dir.dir.removeLocked(e)
	f.store.ReleaseMeta(e.payer, e.cost())
}

// dropLink takes the link that e was from its inode, and says whether nothing
// refers to the inode any more.
func (f *FS) dropLink(e *dentry, now int64) bool {
	ino := e.ino
	ino.mu.Lock()
	defer ino.mu.Unlock()
	ino.unhangLocked(e)
	ino.ctime = now
	if ino.isDir() {
		ino.nlink = 0
	} else {
		if ino.nlink > 1 {
			f.store.ReleaseInode(ino.uid)
		}
		ino.nlink--
	}
	if ino.nlink == 0 && ino.lookups > 0 {
		f.orphans.Add(1)
		return false
	}
	return ino.nlink == 0
}
