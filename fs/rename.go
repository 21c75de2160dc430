package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Rename moves an entry (rename(2), renameat2(2) with RENAME_NOREPLACE and
// RENAME_EXCHANGE). In a naming root the alias moves and the assigned name
// stays; what is replaced is gone under both its names. Errors: those of the
// policy for the new name and the flags, ENOENT, EEXIST, EISDIR, ENOTDIR,
// ENOTEMPTY, EINVAL for a directory moved below itself, ENOSPC for a longer
// name.
func (f *FS) Rename(_ <-chan struct{}, in *fuse.RenameIn, rawOld, rawNew string) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	return toStatus(f.rename(callerOf(&in.InHeader), in, rawOld, rawNew))
}

// move is a rename that is being carried out.
type move struct {
	c              caller
	scope          scope
	from, to       *inode // directories
	rawOld, rawNew string
	exchange       bool
	src, dst       *dentry   // dst is nil if nothing is there
	moved          [2]*inode // what moves, the second only by an exchange
	now            int64
}

func (f *FS) rename(c caller, in *fuse.RenameIn, rawOld, rawNew string) error {
	if err := f.judge(c, "rename", rawNew, f.policy.RenameFlags(in.Flags)); err != nil {
		return err
	}
	if err := f.judge(c, "rename", rawNew, f.policy.Name("rename", rawNew)); err != nil {
		return err
	}
	from, err := f.directory(in.NodeId)
	if err != nil {
		return err
	}
	to, err := f.directory(in.Newdir)
	if err != nil {
		return err
	}
	m := &move{c: c, scope: f.scopeOf(c), from: from, to: to, rawOld: rawOld, rawNew: rawNew,
		exchange: in.Flags&unix.RENAME_EXCHANGE != 0, now: f.now()}
	noReplace := in.Flags&unix.RENAME_NOREPLACE != 0
	if err := f.withReclaim(func() error { return f.carryOut(m, noReplace) }); err != nil {
		return err
	}
	f.hideFromOthers(m)
	f.overtake(c, from, to, m.moved[0], m.moved[1])
	if m.dst != nil && !m.exchange {
		f.emptyIfSpent(m.dst.ino)
	}
	return nil
}

// carryOut moves the entry, or leaves everything as it was.
func (f *FS) carryOut(m *move, noReplace bool) error {
	defer f.lockMove(m.from, m.to)()
	if err := m.resolveLocked(); err != nil {
		return err
	}
	if m.dst != nil && m.dst.ino == m.src.ino {
		return nil
	}
	if m.dst != nil && noReplace {
		return syscall.EEXIST
	}
	m.moved[0] = m.src.ino
	if m.exchange {
		m.moved[1] = m.dst.ino
		return f.exchangeLocked(m)
	}
	return f.moveLocked(m)
}

// lockMove locks the directories of a rename, ancestor first, and the shape of
// the tree if there are two, and returns what unlocks them.
func (f *FS) lockMove(from, to *inode) (unlock func()) {
	if from == to {
		from.dir.mu.Lock()
		return from.dir.mu.Unlock
	}
	f.renameMu.Lock()
	first, second := from, to
	if isAncestor(to, from) {
		first, second = to, from
	}
	first.dir.mu.Lock()
	second.dir.mu.Lock()
	return func() {
		second.dir.mu.Unlock()
		first.dir.mu.Unlock()
		f.renameMu.Unlock()
	}
}

// resolveLocked finds what the two names mean and refuses what cannot be moved.
//
// Preconditions: both directories are locked.
func (m *move) resolveLocked() error {
	m.src = m.from.dir.resolveLocked(m.scope, m.rawOld)
	m.dst = m.to.dir.resolveLocked(m.scope, m.rawNew)
	switch {
	case m.src == nil, m.to.dir.dead, m.exchange && m.dst == nil:
		return syscall.ENOENT
	case m.from == m.to:
		return nil
	case m.src.ino.isDir() && isAncestor(m.src.ino, m.to):
		return syscall.EINVAL
	case m.dst != nil && m.dst.ino.isDir() && isAncestor(m.dst.ino, m.from):
		if m.exchange {
			return syscall.EINVAL
		}
		return syscall.ENOTEMPTY
	}
	return nil
}

// moveLocked carries out a rename without RENAME_EXCHANGE.
//
// Preconditions: both directories are locked, m is resolved.
func (f *FS) moveLocked(m *move) error {
	if m.dst != nil {
		if err := replaceable(m.src.ino, m.dst.ino); err != nil {
			return err
		}
	}
	e, err := f.renamedEntry(m, m.src, m.to, m.rawNew)
	if err != nil {
		return err
	}
	if m.dst != nil && m.dst.ino.isDir() {
		if err := m.dst.ino.dir.bury(); err != nil {
			f.abandon(e, m.src)
			return err
		}
	}
	if m.dst != nil {
		f.unhangLocked(m.dst)
		f.otherName(m.dst, m.rawNew)
		m.dst.wipeNames(nil)
	}
	f.forgetNamesLocked(m.src, m.rawOld, e)
	f.rehangLocked(m.src, e, m.now)
	return nil
}

// replaceable says whether src may take the place of dst, by their kinds
// (rename(2)).
func replaceable(src, dst *inode) error {
	switch {
	case src.isDir() && !dst.isDir():
		return syscall.ENOTDIR
	case !src.isDir() && dst.isDir():
		return syscall.EISDIR
	}
	return nil
}

// renamedEntry makes the entry that old becomes in dir under rawName, and takes
// what its names cost. An entry that goes from one naming root to another, or
// stays in one, keeps its assigned name. Who it was given to keeps finding it
// where the one who gave it renames it.
func (f *FS) renamedEntry(m *move, old *dentry, dir *inode, rawName string) (*dentry, error) {
	e, err := f.newEntry(m.c, dir, rawName, old)
	if err != nil {
		return nil, err
	}
	e.ino, e.payer = old.ino, old.payer
	if e.life != nil && old.life != nil {
		e.life = old.life
	}
	if e.alias != nil && old.alias != nil {
		e.alias.pid, e.alias.command = old.alias.pid, old.alias.command
		e.alias.looked.Store(old.alias.looked.Load())
		if e.alias.scope == old.alias.scope {
			e.alias.heir, e.alias.given = old.alias.heir, old.alias.given
		}
	}
	if err := f.store.ChargeMeta(e.payer, e.cost()); err != nil {
		e.wipeNames(old)
		return nil, err
	}
	return e, nil
}

// abandon gives back an entry that renamedEntry made of old and that will not be
// used after all.
func (f *FS) abandon(e, old *dentry) {
	f.store.ReleaseMeta(e.payer, e.cost())
	e.wipeNames(old)
}

// rehangLocked takes old out of its directory for good and puts e into its own. In one
// naming root the entry keeps its place in the stream, as it keeps the name that
// is listed.
//
// Preconditions: both directories are locked; e's names are free.
func (f *FS) rehangLocked(old, e *dentry, now int64) {
	f.store.ReleaseMeta(old.payer, old.cost())
	if old.dir == e.dir && e.alias != nil {
		e.dir.dir.replaceLocked(old, e)
	} else {
		old.dir.dir.removeLocked(old)
		e.dir.dir.addLocked(e)
	}
	f.relink(e.ino, old, e, now)
	old.wipeNames(e)
	crosses := e.ino.isDir() && old.dir != e.dir
	f.stampParent(old.dir, now, crosses, -1)
	f.stampParent(e.dir, now, crosses, 1)
}

// relink makes an inode hang from e in place of old.
func (f *FS) relink(ino *inode, old, e *dentry, now int64) {
	ino.mu.Lock()
	ino.unhangLocked(old)
	ino.hangLocked(e)
	ino.ctime = now
	f.useLocked(ino)
	ino.mu.Unlock()
}

// forgetNamesLocked expires the name of old that the kernel does not see the
// rename of, unless it stays valid.
func (f *FS) forgetNamesLocked(old *dentry, used string, e *dentry) {
	staysValid := e.dir == old.dir && old.alias != nil && used == old.alias.requested
	if !staysValid {
		f.otherName(old, used)
	}
}
