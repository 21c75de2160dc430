package fs

import (
	"math"
	"syscall"
)

// Sweep removes the entries of the mount root whose lifetime is over. It is to be
// called at intervals, never within a request and never twice at once; it ends
// early when stop is closed.
func (f *FS) Sweep(stop <-chan struct{}) {
	if f.lives == nil {
		return
	}
	for _, c := range f.candidates() {
		select {
		case <-stop:
			return
		default:
			f.expireEntry(c, stop)
		}
	}
}

// candidate is an entry of the mount root that may have to go by a rule.
type candidate struct {
	e    *dentry
	rule Lifetime
}

// candidates looks at the entries alone, not at what is below them.
func (f *FS) candidates() []candidate {
	rules, now := f.lives.rules, f.uptime()
	d := f.root.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	var found []candidate
	for _, e := range d.byName {
		switch {
		case rules.OwnerExit && e.life.session != 0 && rules.Sessions.Ended(e.life.session):
			found = append(found, candidate{e, LifetimeOwnerExit})
		case rules.TTL > 0 && e.life.due.Load() <= now:
			found = append(found, candidate{e, LifetimeTTL})
		}
	}
	return found
}

// expireEntry removes a candidate unless it is in use after all. What it finds
// without keeping requests out decides nothing, but most entries are out by it.
func (f *FS) expireEntry(c candidate, stop <-chan struct{}) {
	if c.rule == LifetimeTTL && !f.overdue(c.e) {
		return
	}
	top, r := f.cutOff(c)
	if top == nil {
		return
	}
	if top.isDir() {
		if !f.tearDown(top, &r, stop) {
			return // the end of the mount: Close finds the rest by the reference
		}
		f.Forget(top.id, 1)
	}
	f.noteRemoval(r)
}

// overdue says whether an entry was unused for long enough, and notes when to
// ask again if it was not.
func (f *FS) overdue(e *dentry) bool {
	now := f.uptime()
	due := min(f.lastUse(e.ino), now) + int64(f.lives.rules.TTL)
	e.life.due.Store(due)
	return due <= now
}

// inUse is the last use of what is used now.
const inUse = math.MaxInt64

// lastUse is when something at or below ino was last used: inUse if it is open.
func (f *FS) lastUse(ino *inode) int64 {
	last := f.lastUseOf(ino)
	f.below(ino, func(child *inode) bool {
		last = max(last, f.lastUseOf(child))
		return last < inUse
	})
	return last
}

// lastUseOf is lastUse of one inode.
func (f *FS) lastUseOf(ino *inode) int64 {
	ino.mu.Lock()
	used, opens, owner := ino.used, ino.opens, ino.rareLocked().owner
	ino.mu.Unlock()
	hidden := ino.format == syscall.S_IFIFO || ino.format == syscall.S_IFSOCK
	if opens > 0 || hidden && (owner == 0 || !f.lives.rules.Sessions.Ended(owner)) {
		return inUse
	}
	return used
}

// below calls visit for every inode below ino until it returns false.
func (f *FS) below(ino *inode, visit func(*inode) bool) {
	pending := []*inode{ino}
	for len(pending) > 0 {
		ino := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if ino.dir == nil {
			continue
		}
		for _, e := range ino.dir.snapshot() {
			if !visit(e.ino) {
				return
			}
			if e.ino.dir != nil {
				pending = append(pending, e.ino)
			}
		}
	}
}

// cutOff takes a candidate out of the mount root unless it is in use, or not there
// any more. Nothing below it can be opened, made or changed from then on. It
// returns the inode, which it holds a reference to if it is a directory.
func (f *FS) cutOff(c candidate) (*inode, Removal) {
	f.lives.mu.Lock()
	defer f.lives.mu.Unlock()
	e, r := c.e, Removal{Rule: c.rule}
	if !f.stillThere(e) || c.rule == LifetimeTTL && !f.overdue(e) {
		return nil, r
	}
	f.condemn(e.ino)
	f.root.dir.mu.Lock()
	defer f.root.dir.mu.Unlock()
	if e.ino.isDir() {
		e.ino.mu.Lock()
		f.rememberLocked(e.ino)
		e.ino.mu.Unlock()
	}
	f.dropEntryLocked(e, &r)
	f.aliasIsStale()
	f.expirePages(f.root)
	return e.ino, r
}

// stillThere says whether e is in its directory.
func (f *FS) stillThere(e *dentry) bool {
	e.dir.dir.mu.RLock()
	defer e.dir.dir.mu.RUnlock()
	return e.dir.dir.byName[e.name] == e
}

// condemn closes what is about to lose its last name: directories take no more
// entries, nothing can be opened. A file with a further name elsewhere lives on.
//
// Preconditions: lives.mu is held for writing.
func (f *FS) condemn(top *inode) {
	links := map[*inode]uint32{}
	close := func(ino *inode) bool {
		if ino.dir != nil {
			ino.dir.mu.Lock()
			ino.dir.dead = true
			ino.dir.mu.Unlock()
		}
		ino.mu.Lock()
		defer ino.mu.Unlock()
		if ino.dir == nil && ino.nlink > 1 {
			links[ino]++
			ino.expired = links[ino] == ino.nlink
		} else {
			ino.expired = true
		}
		return true
	}
	close(top)
	f.below(top, close)
}

// tearDown removes what is below a directory that was cut off, from the bottom
// up. It is false if it was stopped.
func (f *FS) tearDown(top *inode, r *Removal, stop <-chan struct{}) bool {
	dirs := []*inode{top}
	for i := 0; i < len(dirs); i++ {
		for _, e := range dirs[i].dir.snapshot() {
			if e.ino.isDir() {
				dirs = append(dirs, e.ino)
			} else {
				f.dropEntry(e, r)
			}
		}
		if !f.awaitExpiry(stop) {
			return false
		}
	}
	for i := len(dirs) - 1; i > 0; i-- { // parents come before their children
		dirs[i].mu.Lock()
		e := dirs[i].entry
		dirs[i].mu.Unlock()
		f.dropEntry(e, r)
		if !f.awaitExpiry(stop) {
			return false
		}
	}
	return true
}

// dropEntry removes an entry, if it is still there, and has the kernel forget it
// under all its names.
func (f *FS) dropEntry(e *dentry, r *Removal) {
	e.dir.dir.mu.Lock()
	defer e.dir.dir.mu.Unlock()
	if e.dir.dir.byName[e.name] == e {
		f.dropEntryLocked(e, r)
	}
}

// dropEntryLocked is dropEntry in a directory that is locked.
//
// Preconditions: e.dir.dir.mu is held; e is in it.
func (f *FS) dropEntryLocked(e *dentry, r *Removal) {
	r.Entries++
	e.ino.mu.Lock()
	held, open, last := e.ino.lookups > 0, e.ino.opens > 0, e.ino.nlink <= 1
	e.ino.mu.Unlock()
	if b := e.ino.contents(); b != nil && last {
		r.Bytes += uint64(b.Allocated().Bytes())
	}
	f.unhangLocked(e)
	defer e.wipeNames(nil)
	if !held {
		return
	}
	f.expire(e.dir, requestedName(e))
	if e.alias != nil && e.alias.looked.Load() {
		f.expire(e.dir, e.name)
	}
	switch {
	case open || e.ino.isDir():
		f.expirePages(e.ino)
	case !last: // the kernel still counts the name that went
		f.expireAttrSoon(e.ino)
	}
}

// removeClosed removes every name of a regular file that nobody has open any
// more, where that is the rule.
func (f *FS) removeClosed(ino *inode) {
	if f.lives == nil || !f.lives.rules.DeleteOnClose {
		return
	}
	f.lives.mu.Lock()
	defer f.lives.mu.Unlock()
	ino.mu.Lock()
	names := ino.entriesLocked()
	if ino.opens > 0 || ino.entry == nil {
		ino.mu.Unlock()
		return
	}
	ino.expired = true
	ino.mu.Unlock()
	r := Removal{Rule: LifetimeDeleteOnClose}
	for _, e := range names {
		f.dropEntry(e, &r)
		f.expirePages(e.dir)
	}
	f.noteRemoval(r)
}
