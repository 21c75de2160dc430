package fs

import (
	"sync/atomic"
	"syscall"
	"time"
)

// Lifetimes are the rules by which what is on the mount goes by itself. The zero
// value has none. Removal is that of unlink(2): a process that has the file open
// keeps it, and the contents are overwritten at its last close.
type Lifetimes struct {
	// TTL is how long after its last use an entry of the mount root is
	// removed with all that is below it, 0 for never. Uses are what the
	// kernel tells of: open, the time until the last close, creation and
	// removal below it, changes of attributes; not stat(2), nor a working
	// directory. A mapping is an open file, and a lock needs one. A FIFO or
	// a socket, of whose opens the kernel does not tell, is in use while the
	// session that made it lives.
	TTL time.Duration

	// DeleteOnClose removes every name of a regular file when its last
	// descriptor is closed, mappings included. Directories stay, and so does
	// a file that was never open.
	DeleteOnClose bool

	// OwnerExit removes an entry of the mount root, with all that is below
	// it, once the session of the process that made it has ended. An entry
	// whose session is not known stays.
	OwnerExit bool

	// Sessions knows the sessions of processes. It is required with TTL and
	// with OwnerExit.
	Sessions Sessions

	// Removed is called for every removal; it must not block. Nil drops them.
	Removed func(Removal)
}

// Sessions tells POSIX sessions apart, also over time: an id is never that of
// two sessions.
type Sessions interface {
	// Of is the session of a process, 0 if that is not known.
	Of(pid uint32) uint64
	// Ended says whether no process of a session is left.
	Ended(session uint64) bool
}

// Lifetime names the rule that removed something.
type Lifetime string

// The lifetimes, by the names of their options.
const (
	LifetimeTTL           Lifetime = "ttl"
	LifetimeDeleteOnClose Lifetime = "delete-on-close"
	LifetimeOwnerExit     Lifetime = "owner-exit"
)

// Removal is one entry that a lifetime removed, with all that was below it.
type Removal struct {
	Rule    Lifetime
	Entries uint64 // names of files and directories
	Bytes   uint64 // of contents
}

// Any says whether there is a rule at all.
func (l Lifetimes) Any() bool { return l.TTL > 0 || l.DeleteOnClose || l.OwnerExit }

// watchOpens says whether the rules need to know which files are open.
func (l Lifetimes) watchOpens() bool { return l.TTL > 0 || l.DeleteOnClose }

// lives is what lifetimes need beside the tree.
type lives struct {
	rules Lifetimes

	// mu is held for reading by every request that opens, makes or changes
	// something, so that nothing is used between the decision to remove an
	// entry and its removal, which hold it for writing.
	mu rankedRWMutex

	removed map[Lifetime]*atomic.Uint64 // immutable; entries
}

// life is what an entry of the mount root has where there are lifetimes.
type life struct {
	session uint64       // that made the entry; 0 if not known
	due     atomic.Int64 // no use may have ended before; nanoseconds since FS.started
}

func newLives(l Lifetimes) *lives {
	if !l.Any() {
		return nil
	}
	v := &lives{rules: l, removed: map[Lifetime]*atomic.Uint64{
		LifetimeTTL: {}, LifetimeDeleteOnClose: {}, LifetimeOwnerExit: {},
	}}
	v.mu.setRank(rankLives)
	return v
}

// newLife begins the life of an entry that c makes in dir.
func (f *FS) newLife(c caller, dir *inode) *life {
	if f.lives == nil || dir != f.root {
		return nil
	}
	l := &life{}
	if f.lives.rules.OwnerExit {
		l.session = f.sessionFor(c)
	}
	l.due.Store(f.uptime() + int64(f.lives.rules.TTL))
	return l
}

// sessionFor is the session of a caller, as far as a rule asks for it.
func (f *FS) sessionFor(c caller) uint64 {
	if f.lives == nil || f.lives.rules.Sessions == nil {
		return 0
	}
	return f.lives.rules.Sessions.Of(c.pid)
}

// uptime is the clock of lifetimes, nanoseconds since FS.started: unlike the time
// of day it never jumps.
func (f *FS) uptime() int64 {
	if f.lives == nil {
		return 0
	}
	return int64(f.opts.Now().Sub(f.started))
}

// enter begins a request that uses an inode, or an entry of a directory; leave
// ends it.
func (f *FS) enter(nodeid uint64) {
	if f.lives == nil {
		return
	}
	f.lives.mu.RLock()
	if ino := f.inodes.get(nodeid); ino != nil {
		ino.mu.Lock()
		f.useLocked(ino)
		ino.mu.Unlock()
	}
}

func (f *FS) leave() {
	if f.lives != nil {
		f.lives.mu.RUnlock()
	}
}

// useLocked notes a use of ino.
//
// Preconditions: ino.mu is held.
func (f *FS) useLocked(ino *inode) {
	if f.lives != nil {
		ino.used = f.uptime()
	}
}

// living is inode, except that what a lifetime has removed and nobody has open is
// ESTALE: the kernel then looks its name up again, and does not find it.
func (f *FS) living(nodeid uint64) (*inode, error) {
	ino, err := f.inode(nodeid)
	if err != nil {
		return nil, err
	}
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if f.answerOpens && ino.expired && ino.opens == 0 {
		return nil, syscall.ESTALE
	}
	return ino, nil
}

// openedDir and closedDir count the streams of a directory, which are uses of it.
func (f *FS) openedDir(dir *inode) { f.countStream(dir, 1) }

func (f *FS) closedDir(dir *inode) { f.countStream(dir, -1) }

func (f *FS) countStream(dir *inode, step int32) {
	if f.lives == nil {
		return
	}
	dir.mu.Lock()
	dir.opens = uint32(max(0, int32(dir.opens)+step))
	f.useLocked(dir)
	dir.mu.Unlock()
}

// Removed counts the entries that each lifetime removed; rules that never did
// are absent.
func (f *FS) Removed() map[Lifetime]uint64 {
	out := map[Lifetime]uint64{}
	if f.lives == nil {
		return out
	}
	for rule, n := range f.lives.removed {
		if count := n.Load(); count > 0 {
			out[rule] = count
		}
	}
	return out
}

// noteRemoval counts and reports.
func (f *FS) noteRemoval(r Removal) {
	f.lives.removed[r.Rule].Add(r.Entries)
	if f.lives.rules.Removed != nil {
		f.lives.rules.Removed(r)
	}
}
