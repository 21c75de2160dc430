package fs

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// forever is how long the kernel may cache what only it changes. The protocol
// has no infinity; the kernel clamps what does not fit its clock.
const forever = 1 << 31 * time.Second

// Lookup answers what a name means to the caller (LOOKUP): ENOENT, also for
// another owner's entry in a naming root; ENAMETOOLONG above 255 bytes.
func (f *FS) Lookup(_ <-chan struct{}, h *fuse.InHeader, rawName string, out *fuse.EntryOut) fuse.Status {
	return toStatus(f.lookup(callerOf(h), h.NodeId, rawName, out))
}

func (f *FS) lookup(c caller, nodeid uint64, rawName string, out *fuse.EntryOut) error {
	testPanic(rawName)
	dir, err := f.directory(nodeid)
	if err != nil {
		return err
	}
	if len(rawName) > maxName {
		return syscall.ENAMETOOLONG
	}
	f.testTamper(c, dir, rawName)
	s := f.scopeOf(c)
	dir.dir.mu.RLock()
	defer dir.dir.mu.RUnlock()
	e := dir.dir.resolveLocked(s, rawName)
	if e == nil {
		return f.negative(dir, out)
	}
	f.giveEntry(c, dir, e.ino, out)
	if e.alias != nil && rawName == e.name {
		e.alias.looked.Store(true)
		out.SetEntryTimeout(0)
	}
	return nil
}

// maxName is NAME_MAX, in bytes (limits.h).
const maxName = 255

// negative answers that there is no such entry: to be cached, except where the
// next caller may be another one.
func (f *FS) negative(dir *inode, out *fuse.EntryOut) error {
	if !f.cacheable(dir) {
		return syscall.ENOENT
	}
	*out = fuse.EntryOut{}
	out.SetEntryTimeout(forever)
	return nil
}

// giveEntry answers c with an inode found in dir, to which the kernel then holds
// one more reference.
func (f *FS) giveEntry(c caller, dir, ino *inode, out *fuse.EntryOut) {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	f.rememberLocked(ino)
	*out = fuse.EntryOut{NodeId: ino.id}
	ino.attrLocked(&out.Attr)
	ino.toldLocked(c)
	out.SetAttrTimeout(f.attrLifeLocked(ino))
	if f.cacheable(dir) {
		out.SetEntryTimeout(forever)
	}
}
