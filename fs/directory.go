package fs

import (
	"slices"
	"sort"
	"sync/atomic"

	"safetmp/memstore"
)

// direntSize is what one entry, "." and ".." included, adds to a directory's
// st_size, the figure tmpfs uses (BOGO_DIRENT_SIZE in mm/shmem.c).
const direntSize = 20

// Offsets 1 and 2 of a directory stream are "." and "..".
const firstCookie = 3

// dentry is one entry of a directory.
type dentry struct {
	name   string // the only name, or the assigned name in a naming root; of keepName or ownName
	dir    *inode // the directory it is in
	ino    *inode // changes only under directory.mu, by an exchange
	cookie uint64 // place in the directory stream, never reused
	payer  uint32 // uid that cost was taken from

	// alias is nil outside naming roots.
	alias *alias

	// life is nil unless the mount has lifetimes and the entry is in the
	// mount root. It changes only under directory.mu, by an exchange.
	life *life
}

// alias is what only entries of a naming root have.
type alias struct {
	scope     scope  // in whom requested resolves
	requested string // what the program asked for; of keepName
	pid       uint32 // the process that made the entry
	command   string // the program of that process

	// heir is who the entry was given to by chown(2) and finds it as well, if
	// given is set; both are guarded by directory.mu.
	heir  uint32
	given bool

	// looked is set once the assigned name was looked up, so that the
	// kernel may have it in its dentry cache.
	looked atomic.Bool
}

// cost is what the names of e take of the daemon's memory.
func (e *dentry) cost() memstore.Bytes {
	n := metaBytes(len(e.name))
	if e.alias != nil {
		n += metaBytes(len(e.alias.requested))
	}
	return n
}

// aliasKey finds an alias.
type aliasKey struct {
	scope scope
	name  string
}

// directory is the contents of a directory.
type directory struct {
	// naming says that entries get random names here (naming root).
	naming bool // immutable

	mu rankedRWMutex

	// The fields below are guarded by mu.

	byName  map[string]*dentry
	byAlias map[aliasKey]*dentry // nil unless naming
	stream  []slot               // in the order of cookies
	cookies uint64               // the next cookie
	dead    bool                 // removed: nothing may be added

	live atomic.Int64 // entries; changes under mu
}

// slot is a place in the directory stream; e is nil once the entry is gone.
type slot struct {
	cookie uint64
	e      *dentry
}

func newDirectory(naming bool) *directory {
	d := &directory{naming: naming, byName: map[string]*dentry{}, cookies: firstCookie}
	d.mu.setRank(rankDirectory)
	if naming {
		d.byAlias = map[aliasKey]*dentry{}
	}
	return d
}

// resolveLocked finds what rawName means to the callers of s. In a naming root
// the own aliases come first, then the assigned names of the own entries;
// nobody else's entry is ever found.
//
// Preconditions: d.mu is held, for reading at least.
func (d *directory) resolveLocked(s scope, rawName string) *dentry {
	if d.dead { // a lifetime may still be taking out what was in it
		return nil
	}
	if !d.naming {
		return d.byName[rawName]
	}
	if e := d.byAlias[aliasKey{s, rawName}]; e != nil {
		return e
	}
	if e := d.byName[rawName]; e != nil && e.alias.isOf(s.uid) {
		return e
	}
	return nil
}

// isOf says whether the entry is one of uid's: made by it, or given to it.
//
// Preconditions: directory.mu is held, for reading at least.
func (a *alias) isOf(uid uint32) bool { return a.scope.uid == uid || a.given && a.heir == uid }

// keys are the keys that the alias is found by. An heir finds it only where
// scopes are those of uids.
//
// Preconditions: directory.mu is held, for reading at least.
func (a *alias) keys() [2]aliasKey {
	own := aliasKey{a.scope, a.requested}
	if !a.given || a.scope.session != 0 {
		return [2]aliasKey{own, own}
	}
	return [2]aliasKey{own, {scope{uid: a.heir}, a.requested}}
}

// addLocked enters e under its names and at the end of the stream.
//
// Preconditions: d.mu is held; the names are free.
func (d *directory) addLocked(e *dentry) {
	d.addNamesLocked(e)
	e.cookie = d.cookies
	d.cookies++
	d.stream = append(d.stream, slot{e.cookie, e})
	d.live.Add(1)
}

// removeLocked takes e out of the directory under all its names.
//
// Preconditions: d.mu is held; e is in d.
func (d *directory) removeLocked(e *dentry) {
	d.dropNamesLocked(e)
	d.stream[d.positionLocked(e.cookie)].e = nil
	d.live.Add(-1)
	d.compactLocked()
}

// replaceLocked puts e, whose names may differ, into the place of old in the
// directory stream, so that a reader of the stream sees the entry once.
//
// Preconditions: d.mu is held; old is in d, e's names are free or old's.
func (d *directory) replaceLocked(old, e *dentry) {
	d.dropNamesLocked(old)
	d.addNamesLocked(e)
	e.cookie = old.cookie
	d.stream[d.positionLocked(e.cookie)].e = e
}

// addNamesLocked enters e under its names.
//
// Preconditions: d.mu is held.
func (d *directory) addNamesLocked(e *dentry) {
	d.byName[e.name] = e
	if e.alias == nil {
		return
	}
	keys := e.alias.keys()
	d.byAlias[keys[0]] = e
	if d.byAlias[keys[1]] == nil {
		d.byAlias[keys[1]] = e
	}
}

// dropNamesLocked deletes the names of e, except those that an exchange gave to
// another entry already.
//
// Preconditions: d.mu is held.
func (d *directory) dropNamesLocked(e *dentry) {
	if d.byName[e.name] == e {
		delete(d.byName, e.name)
	}
	if e.alias == nil {
		return
	}
	for _, key := range e.alias.keys() {
		if d.byAlias[key] == e {
			delete(d.byAlias, key)
		}
	}
}

// positionLocked is the index of the first slot at or after a cookie.
//
// Preconditions: d.mu is held, for reading at least.
func (d *directory) positionLocked(cookie uint64) int {
	return sort.Search(len(d.stream), func(i int) bool { return d.stream[i].cookie >= cookie })
}

// compactLocked drops empty slots once they are the larger part. Cookies stay,
// so streams that are being read lose nothing.
//
// Preconditions: d.mu is held.
func (d *directory) compactLocked() {
	if len(d.stream) < 64 || len(d.stream) < 2*len(d.byName) {
		return
	}
	d.stream = slices.Clip(slices.DeleteFunc(d.stream, func(s slot) bool { return s.e == nil }))
}

// size is st_size of the directory.
func (d *directory) size() uint64 { return uint64(2+d.live.Load()) * direntSize }

// snapshot lists the entries.
func (d *directory) snapshot() []*dentry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]*dentry, 0, len(d.byName))
	for _, e := range d.byName {
		all = append(all, e)
	}
	return all
}
