package fs

import (
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/policy"
)

// stream is one open directory. It ends where the directory ended when it was
// opened or rewound: a program that adds or renames an entry for each that it
// reads would otherwise never come to an end.
type stream struct {
	end atomic.Uint64 // the first cookie that is not listed
}

// OpenDir opens a directory for listing and lets the kernel cache the listing
// of a plain one. A naming root shows every caller something else, so its
// listing is never cached. Errors: ESTALE, ENOTDIR.
func (f *FS) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	dir, err := f.directory(in.NodeId)
	if err != nil {
		return toStatus(err)
	}
	if !dir.dir.naming {
		out.OpenFlags |= fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE
	}
	s := new(stream)
	s.end.Store(dir.dir.end())
	out.Fh = f.nextStream.Add(1)
	f.streams.Store(out.Fh, s)
	f.openedDir(dir)
	return fuse.OK
}

// ReleaseDir closes what OpenDir opened.
func (f *FS) ReleaseDir(in *fuse.ReleaseIn) {
	f.streams.Delete(in.Fh)
	if dir, err := f.directory(in.NodeId); err == nil {
		f.closedDir(dir)
	}
}

// end is the cookie that the next entry will have.
func (d *directory) end() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.cookies
}

// streamEnd is where the listing that a request continues ends; one from the
// start ends where the directory ends now (rewinddir(3)).
func (f *FS) streamEnd(in *fuse.ReadIn, d *directory) uint64 {
	v, open := f.streams.Load(in.Fh)
	if !open {
		return d.end()
	}
	s := v.(*stream)
	if in.Offset == 0 {
		s.end.Store(d.end())
	}
	return s.end.Load()
}

// ReadDir lists a directory from an offset that an earlier entry carried
// (getdents(2), seekdir(3)). Offsets are never reused: an entry that is there
// throughout is listed exactly once, however many others come and go.
func (f *FS) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return toStatus(f.list(in, func(e fuse.DirEntry, _ *inode) bool { return out.AddDirEntry(e) }))
}

// ReadDirPlus is ReadDir with the attributes of each entry, which count as a
// lookup. In a naming root the kernel is told no nodeid, so that listing does
// not put assigned names into its dentry cache.
func (f *FS) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	dir, err := f.directory(in.NodeId)
	if err != nil {
		return toStatus(err)
	}
	c := callerOf(&in.InHeader)
	return toStatus(f.list(in, func(e fuse.DirEntry, ino *inode) bool {
		reply := out.AddDirLookupEntry(e)
		if reply == nil {
			return false
		}
		if ino != nil && !dir.dir.naming {
			f.giveEntry(c, dir, ino, reply)
		}
		return true
	}))
}

// list calls add for each entry that the caller may see from in.Offset on,
// until add has no room. The inode is nil for "." and "..".
func (f *FS) list(in *fuse.ReadIn, add func(fuse.DirEntry, *inode) bool) error {
	dir, err := f.directory(in.NodeId)
	if err != nil {
		return err
	}
	f.accessed(dir, in.Flags)
	c := callerOf(&in.InHeader)
	d := dir.dir
	end := f.streamEnd(in, d)
	if !f.listDots(dir, in.Offset, add) {
		return nil
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.dead {
		return nil
	}
	for _, s := range d.stream[d.positionLocked(max(in.Offset+1, firstCookie)):] {
		if s.cookie >= end {
			return nil
		}
		if s.e == nil || !visible(s.e, c) {
			continue
		}
		entry := fuse.DirEntry{Name: f.listedName(s.e), Ino: s.e.ino.id, Off: s.cookie, Mode: s.e.ino.kindBits()}
		if !add(entry, s.e.ino) {
			return nil
		}
	}
	return nil
}

// listDots adds "." and "..", which every listing starts with, and says whether
// there may be room for more.
func (f *FS) listDots(dir *inode, offset uint64, add func(fuse.DirEntry, *inode) bool) bool {
	up := dir.parent()
	if up == nil {
		up = dir
	}
	dots := []fuse.DirEntry{
		{Name: ".", Ino: dir.id, Off: 1, Mode: syscall.S_IFDIR},
		{Name: "..", Ino: up.id, Off: 2, Mode: syscall.S_IFDIR},
	}
	for _, dot := range dots[min(offset, 2):] {
		if !add(dot, nil) {
			return false
		}
	}
	return true
}

// visible says whether a listing shows e to c: in a naming root only to its
// owner.
//
// Preconditions: e's directory is locked, for reading at least.
func visible(e *dentry, c caller) bool {
	return e.alias == nil || e.alias.isOf(c.uid)
}

// listedName is the name that a listing shows for an entry.
func (f *FS) listedName(e *dentry) string {
	if e.alias != nil && f.policy.Listing() == policy.ListingOwn {
		return e.alias.requested
	}
	return e.name
}

// kindBits is the file type as in st_mode; it never changes.
func (ino *inode) kindBits() uint32 { return uint32(ino.format) }
