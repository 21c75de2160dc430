package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/memstore"
)

// StatFs answers statfs(2) from the store's account: the limits are those of
// the mount, and what is used includes names, attributes and pages that are
// still being overwritten.
func (f *FS) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	u := f.store.Usage()
	free := max(u.Limit-u.Used, 0) / memstore.PageSize
	*out = fuse.StatfsOut{
		Bsize:   memstore.PageSize,
		Frsize:  memstore.PageSize,
		Blocks:  uint64(u.Limit / memstore.PageSize),
		Bfree:   uint64(free),
		Bavail:  uint64(free),
		Files:   uint64(u.InodeLimit),
		Ffree:   uint64(max(u.InodeLimit-u.Inodes, 0)),
		NameLen: maxName,
	}
	return fuse.OK
}
