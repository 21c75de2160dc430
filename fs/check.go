package fs

import (
	"fmt"
	"syscall"

	"safetmp/memstore"
)

// Check holds the whole tree against itself and against the store: names and
// streams of every directory, link counts, parents, and the accounting of
// inodes and metadata. Nothing may change meanwhile. It is for tests; the cost
// is a walk of the tree.
func (f *FS) Check() error {
	t := tally{links: map[uint64]uint32{}, subdirs: map[uint64]uint32{}}
	all := f.everyInode()
	for _, ino := range all {
		if ino.dir == nil {
			continue
		}
		if err := t.directory(ino); err != nil {
			return fmt.Errorf("fs: directory %d: %w", ino.id, err)
		}
	}
	for _, ino := range all {
		if err := t.inode(ino, ino == f.root); err != nil {
			return fmt.Errorf("fs: inode %d: %w", ino.id, err)
		}
	}
	return t.account(f.store.Usage())
}

// everyInode collects what the tree and the table hold, each inode once.
func (f *FS) everyInode() map[uint64]*inode {
	all := f.inodes.snapshot()
	all[f.root.id] = f.root
	pending := []*inode{}
	for _, ino := range all {
		pending = append(pending, ino)
	}
	for len(pending) > 0 {
		ino := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if ino.dir == nil {
			continue
		}
		for _, e := range ino.dir.snapshot() {
			if _, seen := all[e.ino.id]; !seen {
				all[e.ino.id] = e.ino
				pending = append(pending, e.ino)
			}
		}
	}
	return all
}

// tally is what a walk of the tree adds up to.
type tally struct {
	links   map[uint64]uint32 // entries of each inode
	subdirs map[uint64]uint32 // subdirectories of each directory
	inodes  int64
	meta    memstore.Bytes
}

// directory checks one directory and counts its entries.
func (t *tally) directory(ino *inode) error {
	d := ino.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	if err := d.checkLocked(); err != nil {
		return err
	}
	if d.dead && len(d.byName) > 0 && !ino.isExpired() {
		return fmt.Errorf("removed with %d entries", len(d.byName))
	}
	for _, e := range d.byName {
		if e.dir != ino {
			return fmt.Errorf("entry of cookie %d thinks it is in directory %d", e.cookie, e.dir.id)
		}
		t.links[e.ino.id]++
		t.meta += e.cost()
		if e.ino.isDir() {
			t.subdirs[ino.id]++
		}
	}
	return nil
}

// isExpired says whether a lifetime has removed an inode; what is below it goes soon.
func (ino *inode) isExpired() bool {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	return ino.expired
}

// checkLocked holds names, aliases and the stream of a directory against one
// another.
//
// Preconditions: d.mu is held, for reading at least.
func (d *directory) checkLocked() error {
	listed, aliases, last := 0, 0, uint64(0)
	for _, s := range d.stream {
		if s.cookie <= last || s.cookie >= d.cookies {
			return fmt.Errorf("cookie %d is out of order", s.cookie)
		}
		last = s.cookie
		if s.e == nil {
			continue
		}
		listed++
		if s.e.cookie != s.cookie || d.byName[s.e.name] != s.e {
			return fmt.Errorf("cookie %d leads to another entry than its name", s.cookie)
		}
		if !d.naming {
			continue
		}
		keys := s.e.alias.keys()
		if d.byAlias[keys[0]] != s.e {
			return fmt.Errorf("cookie %d is not found by its alias", s.cookie)
		}
		aliases++
		if keys[1] != keys[0] && d.byAlias[keys[1]] == s.e {
			aliases++
		}
	}
	switch {
	case listed != len(d.byName), int64(listed) != d.live.Load():
		return fmt.Errorf("%d entries listed, %d by name, %d counted", listed, len(d.byName), d.live.Load())
	case aliases != len(d.byAlias):
		return fmt.Errorf("%d entries with %d aliases, %d by alias", listed, aliases, len(d.byAlias))
	}
	return nil
}

// inode checks the counts of one inode and adds up what it costs.
func (t *tally) inode(ino *inode, root bool) error {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	want := t.links[ino.id]
	if ino.isDir() {
		if want > 1 || want == 0 && !root && ino.nlink != 0 {
			return fmt.Errorf("directory with %d entries and %d links", want, ino.nlink)
		}
		if want = 2 + t.subdirs[ino.id]; ino.nlink == 0 {
			want = 0
		}
	}
	switch {
	case ino.gone:
		return fmt.Errorf("given back, but still in use")
	case ino.nlink != want:
		return fmt.Errorf("%d links, want %d", ino.nlink, want)
	case ino.nlink == 0 && ino.lookups == 0:
		return fmt.Errorf("neither links nor references")
	case ino.contents() != nil && ino.format != syscall.S_IFREG, ino.mode&syscall.S_IFMT != ino.kindBits():
		return fmt.Errorf("mode %o, but made as %o", ino.mode, ino.format)
	}
	t.inodes += int64(inodesOf(ino, ino.nlink))
	t.meta += ino.metaBytesLocked()
	return nil
}

// account holds the sums against the store's.
func (t *tally) account(u memstore.Usage) error {
	if t.inodes != u.Inodes {
		return fmt.Errorf("fs: the tree has %d inodes, the store counts %d", t.inodes, u.Inodes)
	}
	if t.meta != u.Meta {
		return fmt.Errorf("fs: names and attributes take %d bytes, the store counts %d", t.meta, u.Meta)
	}
	return nil
}
