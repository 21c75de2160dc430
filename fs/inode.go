package fs

import (
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/memstore"
)

// statBlock is the unit of st_blocks, in bytes (stat(2)).
const statBlock = 512

// inode is one file of any kind. Its id is both the nodeid of the protocol and
// st_ino; ids are never reused, so a generation is not needed.
type inode struct {
	id    uint64     // immutable
	dir   *directory // immutable; nil unless a directory
	btime int64      // immutable; when it was made, nanoseconds

	// blob holds the contents of a regular file. It is nil until something is
	// stored, and set under mu; see contents and contentsOf.
	blob atomic.Pointer[memstore.Blob]

	mu rankedMutex

	// The fields below are guarded by mu.

	mode     uint32 // file type and permission bits
	uid, gid uint32
	nlink    uint32
	lookups  uint64 // references the kernel holds (lookup count)
	opens    uint32 // descriptors, if opens are answered
	format   uint16 // immutable; the file type, as in mode
	gone     bool   // given back to the store
	paged    bool   // the page cache may hold contents although it is bypassed
	expired  bool   // a lifetime has taken its last name: it cannot be opened any more
	mappable bool   // somebody may have mapped it to write, of what the kernel does not tell
	told     uint32 // the thread that its attributes were told; see toldLocked
	used     int64  // last use, nanoseconds since FS.started; only with lifetimes

	atime, mtime stamp
	ctime        int64 // nanoseconds

	// entry is where the inode hangs in the tree, nil for the mount root
	// and for an inode without links; its further hard links are rare.more.
	// The entry of a directory changes only under FS.renameMu.
	entry *dentry

	rare *rare // nil while there is nothing in it
}

// rare is what few inodes have. It is guarded by inode.mu.
type rare struct {
	link   string // a symlink's target, of keepName; immutable
	owner  uint64 // the session that made a FIFO or a socket, 0 if not known; immutable
	xattrs xattrs
	more   []*dentry // hard links beside inode.entry

	backing int32 // the kernel knows the contents by it; 0 if it does not
}

// rareLocked is what few inodes have, zero for most.
//
// Preconditions: ino.mu is held.
func (ino *inode) rareLocked() rare {
	if ino.rare == nil {
		return rare{}
	}
	return *ino.rare
}

// makeRareLocked is rareLocked to be written to.
//
// Preconditions: ino.mu is held, or nobody else knows ino yet.
func (ino *inode) makeRareLocked() *rare {
	if ino.rare == nil {
		ino.rare = new(rare)
	}
	return ino.rare
}

// newInode makes an inode with all times now and no links. Its place in the
// store must have been reserved.
func (f *FS) newInode(id uint64, mode, uid, gid uint32) *inode {
	now := f.now()
	ino := &inode{id: id, btime: now, format: uint16(mode & syscall.S_IFMT), mode: mode, uid: uid, gid: gid, atime: stampOf(now), mtime: stampOf(now), ctime: now, used: f.uptime()}
	ino.mu.setRank(rankInode)
	return ino
}

// isDir needs no lock: the kind of an inode never changes.
func (ino *inode) isDir() bool { return ino.dir != nil }

// attrLocked fills a with what stat(2) shows.
//
// Preconditions: ino.mu is held.
func (ino *inode) attrLocked(a *fuse.Attr) {
	*a = fuse.Attr{
		Ino:     ino.id,
		Mode:    ino.mode,
		Nlink:   ino.nlink,
		Owner:   fuse.Owner{Uid: ino.uid, Gid: ino.gid},
		Blksize: memstore.PageSize,
	}
	ino.atime.put(&a.Atime, &a.Atimensec)
	ino.mtime.put(&a.Mtime, &a.Mtimensec)
	stampOf(ino.ctime).put(&a.Ctime, &a.Ctimensec)
	if b := ino.contents(); b != nil && b.InFile() {
		ino.fileAttrLocked(b, a)
	} else if b != nil {
		a.Size = uint64(b.Size())
		a.Blocks = uint64(b.Allocated()) * (memstore.PageSize / statBlock)
	} else if ino.dir != nil {
		a.Size = ino.dir.size()
	} else {
		a.Size = uint64(len(ino.rareLocked().link))
	}
}

// touchLocked marks the contents as changed now.
//
// Preconditions: ino.mu is held.
func (ino *inode) touchLocked(now int64) {
	ino.mtime, ino.ctime = stampOf(now), now
}

// touch marks the contents as changed now.
func (ino *inode) touch(now int64) {
	ino.mu.Lock()
	ino.touchLocked(now)
	ino.mu.Unlock()
}

// hangLocked notes a further entry of the inode.
//
// Preconditions: ino.mu is held.
func (ino *inode) hangLocked(e *dentry) {
	if ino.entry == nil {
		ino.entry = e
		return
	}
	r := ino.makeRareLocked()
	r.more = append(r.more, e)
}

// unhangLocked forgets an entry of the inode.
//
// Preconditions: ino.mu is held.
func (ino *inode) unhangLocked(e *dentry) {
	if ino.entry != e {
		if r := ino.rare; r != nil {
			r.more = slices.DeleteFunc(r.more, func(m *dentry) bool { return m == e })
		}
		return
	}
	ino.entry = nil
	if n := len(ino.rareLocked().more); n > 0 {
		ino.entry = ino.rare.more[n-1]
		ino.rare.more = slices.Delete(ino.rare.more, n-1, n)
	}
}

// entriesLocked lists the entries of an inode.
//
// Preconditions: ino.mu is held.
func (ino *inode) entriesLocked() []*dentry {
	if ino.entry == nil {
		return nil
	}
	return append([]*dentry{ino.entry}, ino.rareLocked().more...)
}

// parent is the directory that holds a directory, nil for the mount root and
// for a removed one.
func (ino *inode) parent() *inode {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.entry == nil {
		return nil
	}
	return ino.entry.dir
}
