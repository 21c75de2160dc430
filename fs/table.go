package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// tableShards spreads the inode table over this many locks.
const tableShards = 64

// table finds the inodes that the kernel holds references to by nodeid.
type table struct {
	shards [tableShards]struct {
		mu rankedRWMutex
		m  map[uint64]*inode // guarded by mu
	}
}

func (t *table) init() {
	for i := range t.shards {
		t.shards[i].mu.setRank(rankTable)
		t.shards[i].m = map[uint64]*inode{}
	}
}

func (t *table) put(ino *inode) {
	s := &t.shards[ino.id%tableShards]
	s.mu.Lock()
	s.m[ino.id] = ino
	s.mu.Unlock()
}

func (t *table) drop(id uint64) {
	s := &t.shards[id%tableShards]
	s.mu.Lock()
	delete(s.m, id)
	s.mu.Unlock()
}

func (t *table) get(id uint64) *inode {
	s := &t.shards[id%tableShards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[id]
}

// snapshot copies the table.
func (t *table) snapshot() map[uint64]*inode {
	all := map[uint64]*inode{}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for id, ino := range s.m {
			all[id] = ino
		}
		s.mu.RUnlock()
	}
	return all
}

// inode returns the inode of a nodeid that the kernel sent, ESTALE if there is
// none.
func (f *FS) inode(nodeid uint64) (*inode, error) {
	if ino := f.inodes.get(nodeid); ino != nil {
		return ino, nil
	}
	return nil, syscall.ESTALE
}

// directory returns the directory of a nodeid that the kernel sent: ESTALE if
// there is no such inode, ENOTDIR if it is something else.
func (f *FS) directory(nodeid uint64) (*inode, error) {
	ino, err := f.inode(nodeid)
	if err != nil {
		return nil, err
	}
	if !ino.isDir() {
		return nil, syscall.ENOTDIR
	}
	return ino, nil
}

// regular returns the regular file of a nodeid that the kernel sent: ESTALE if
// there is no such inode, EISDIR for a directory, EINVAL for anything else.
func (f *FS) regular(nodeid uint64) (*inode, error) {
	ino, err := f.inode(nodeid)
	switch {
	case err != nil:
		return nil, err
	case ino.isDir():
		return nil, syscall.EISDIR
	case ino.kindBits() != syscall.S_IFREG:
		return nil, syscall.EINVAL
	}
	return ino, nil
}

// rememberLocked adds a kernel reference to ino, which a reply is about to hand
// out.
//
// Preconditions: ino.mu is held.
func (f *FS) rememberLocked(ino *inode) {
	ino.lookups++
	if ino.lookups == 1 {
		f.inodes.put(ino)
	}
}

// Forget takes back n kernel references (FORGET, BATCH_FORGET). An inode that
// has neither references nor links is given back and its contents overwritten.
// An unknown nodeid or too large an n changes nothing beyond zero.
func (f *FS) Forget(nodeid, n uint64) {
	ino := f.inodes.get(nodeid)
	if ino == nil || nodeid == fuse.FUSE_ROOT_ID {
		return
	}
	ino.mu.Lock()
	ino.lookups -= min(n, ino.lookups)
	dead := false
	if ino.lookups == 0 {
		f.inodes.drop(nodeid)
		dead = ino.nlink == 0
	}
	ino.mu.Unlock()
	if dead {
		f.dispose(ino)
		f.orphans.Add(-1)
	}
}
