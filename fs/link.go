package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/policy"
)

// Link gives an inode a further entry (link(2)), or its first one if it was
// made by O_TMPFILE. Errors: those of the policy, EPERM for a directory,
// EEXIST, ENOSPC.
func (f *FS) Link(_ <-chan struct{}, in *fuse.LinkIn, rawName string, out *fuse.EntryOut) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	return toStatus(f.linkTo(callerOf(&in.InHeader), in, rawName, out))
}

func (f *FS) linkTo(c caller, in *fuse.LinkIn, rawName string, out *fuse.EntryOut) error {
	ino, err := f.inode(in.Oldnodeid)
	if err != nil {
		return err
	}
	dir, err := f.directory(in.NodeId)
	if err != nil {
		return err
	}
	if ino.isDir() {
		return syscall.EPERM
	}
	if err := f.judge(c, "link", rawName, f.policy.Name("link", rawName)); err != nil {
		return err
	}
	if err := f.judge(c, "link", rawName, f.policy.Link(f.linkRequest(c, ino, dir))); err != nil {
		return err
	}
	e, err := f.newEntry(c, dir, rawName, nil)
	if err != nil {
		return err
	}
	if err := f.withReclaim(func() error { return f.placeLink(c, dir, e, ino) }); err != nil {
		e.wipeNames(nil)
		return err
	}
	f.overtake(c, dir)
	f.giveEntry(c, dir, ino, out)
	return nil
}

// placeLink adds e as a link of an existing inode.
func (f *FS) placeLink(c caller, dir *inode, e *dentry, ino *inode) error {
	d := dir.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.vacantLocked(f.scopeOf(c), requestedName(e)); err != nil {
		return err
	}
	if err := f.store.ChargeMeta(e.payer, e.cost()); err != nil {
		return err
	}
	now := f.now()
	if err := f.addLink(e, ino, now); err != nil {
		f.store.ReleaseMeta(e.payer, e.cost())
		return err
	}
	d.addLocked(e)
	f.stampParent(dir, now, false, 0)
	return nil
}

// addLink counts e as a link of ino and pays for it: the first one was paid for
// when O_TMPFILE made the inode, each further one takes an inode of the limit.
// An inode that is gone meanwhile is ESTALE.
func (f *FS) addLink(e *dentry, ino *inode, now int64) error {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.gone || ino.expired {
		return syscall.ESTALE
	}
	if ino.nlink > 0 {
		if err := f.store.ReserveInode(ino.uid); err != nil {
			return err
		}
	} else {
		f.orphans.Add(-1)
	}
	e.ino = ino
	ino.hangLocked(e)
	ino.nlink++
	ino.ctime = now
	f.useLocked(ino)
	return nil
}

// linkRequest puts a link to the policy.
func (f *FS) linkRequest(c caller, ino, dir *inode) policy.LinkRequest {
	ino.mu.Lock()
	req := policy.LinkRequest{CallerUID: c.uid, OwnerUID: ino.uid, Tmpfile: ino.nlink == 0}
	req.Kind, _ = policy.KindOfMode(ino.mode)
	var from *inode
	if ino.entry != nil {
		from = ino.entry.dir
	}
	ino.mu.Unlock()
	req.SameTop = f.sameTop(from, dir)
	return req
}

// sameTop says whether dir is the naming root that holds from, or lies below
// it. Where only the mount root is one, or none is, every directory does.
func (f *FS) sameTop(from, dir *inode) bool {
	if from == nil || !f.policy.NamingRoot(false) {
		return true
	}
	f.renameMu.RLock()
	defer f.renameMu.RUnlock()
	return isAncestor(from, dir)
}

// isAncestor says whether a is d or a directory above it.
//
// Preconditions: FS.renameMu is held, for reading at least.
func isAncestor(a, d *inode) bool {
	for ; d != nil; d = d.parent() {
		if d == a {
			return true
		}
	}
	return false
}

// depth is how many directories lead from the mount root to what is in dir.
func (f *FS) depth(dir *inode) int {
	f.renameMu.RLock()
	defer f.renameMu.RUnlock()
	depth := 0
	for ; dir != nil; dir = dir.parent() {
		depth++
	}
	return max(depth-1, 0) // the mount root is none of them
}
