package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/policy"
)

// GetAttr answers stat(2): ESTALE for a nodeid that is not known.
func (f *FS) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	ino, err := f.inode(in.NodeId)
	if err != nil {
		return toStatus(err)
	}
	f.giveAttr(callerOf(&in.InHeader), ino, out)
	return fuse.OK
}

func (f *FS) giveAttr(c caller, ino *inode, out *fuse.AttrOut) {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	ino.attrLocked(&out.Attr)
	ino.toldLocked(c)
	out.SetTimeout(f.attrLifeLocked(ino))
}

// SetAttr answers chmod(2), chown(2), truncate(2) and utimensat(2). What the
// policy refuses changes nothing, not even the parts of the request that it
// would have allowed.
func (f *FS) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	return toStatus(f.setAttr(callerOf(&in.InHeader), in, out))
}

func (f *FS) setAttr(c caller, in *fuse.SetAttrIn, out *fuse.AttrOut) error {
	ino, err := f.living(in.NodeId)
	if err != nil {
		return err
	}
	mode, err := f.decideMode(c, ino, in)
	if err != nil {
		return err
	}
	if err := f.decideOwner(c, ino, in); err != nil {
		return err
	}
	now := f.now()
	if in.Valid&fuse.FATTR_SIZE != 0 {
		if err := f.resize(in, now); err != nil {
			return err
		}
	}
	moved, err := f.applyOwner(c, ino, in)
	if err != nil {
		return err
	}
	if moved {
		f.give(ino, in.Uid)
	}
	ino.mu.Lock()
	if in.Valid&fuse.FATTR_MODE != 0 {
		ino.mode = ino.mode&syscall.S_IFMT | mode
	}
	if in.Valid&fuse.FATTR_KILL_SUIDGID != 0 && !isChown(in) { // else it was done, by the group that it had
		ino.killPrivLocked(c)
	}
	err = ino.setTimesLocked(in, now)
	if !onlyResizes(in) {
		ino.ctime = now
	}
	ino.mu.Unlock()
	f.giveAttr(c, ino, out)
	return err
}

// onlyResizes says whether a request is about the size alone, which decides by
// itself about ctime. A chown(2) to -1 and -1 is about nothing and changes ctime.
func onlyResizes(in *fuse.SetAttrIn) bool {
	const others = fuse.FATTR_MODE | fuse.FATTR_UID | fuse.FATTR_GID | fuse.FATTR_ATIME | fuse.FATTR_MTIME
	return in.Valid&fuse.FATTR_SIZE != 0 && in.Valid&others == 0
}

// isChown says whether a request is a chown(2). The one that changes neither id
// comes as a request for nothing at all; it clears the set-id bits as well.
func isChown(in *fuse.SetAttrIn) bool {
	return in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) != 0 || in.Valid&^fuse.FATTR_FH == 0
}

// decideMode asks the policy about a chmod and returns the bits to store.
func (f *FS) decideMode(c caller, ino *inode, in *fuse.SetAttrIn) (uint32, error) {
	if in.Valid&fuse.FATTR_MODE == 0 {
		return 0, nil
	}
	ino.mu.Lock()
	kind, _ := policy.KindOfMode(ino.mode)
	ino.mu.Unlock()
	d := f.policy.Chmod(policy.ChmodRequest{
		Kind: kind, RawMode: in.Mode & 07777, MountRoot: ino == f.root, RootMode: f.opts.RootMode,
	})
	return d.Mode, f.judge(c, "chmod", "", d)
}

// decideOwner asks the policy about a chown.
func (f *FS) decideOwner(c caller, ino *inode, in *fuse.SetAttrIn) error {
	if in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) == 0 {
		return nil
	}
	ino.mu.Lock()
	req := policy.ChownRequest{
		CallerUID: c.uid, Shared: f.opts.Shared, Checked: f.opts.Shared, // mounted with default_permissions
		OldUID: ino.uid, OldGID: ino.gid, NewUID: in.Uid, NewGID: in.Gid,
		SetUID: in.Valid&fuse.FATTR_UID != 0, SetGID: in.Valid&fuse.FATTR_GID != 0,
	}
	ino.mu.Unlock()
	return f.judge(c, "chown", "", f.policy.Chown(req))
}

// applyOwner carries out a chown that was allowed; what the inode costs moves
// to the new owner's share, or EDQUOT. It says whether there is a new owner.
func (f *FS) applyOwner(c caller, ino *inode, in *fuse.SetAttrIn) (moved bool, err error) {
	if !isChown(in) {
		return false, nil
	}
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if in.Valid&fuse.FATTR_UID != 0 && in.Uid != ino.uid {
		if err := f.recharge(ino, in.Uid); err != nil {
			return false, err
		}
		ino.uid, moved = in.Uid, true
	}
	if !ino.isDir() {
		ino.killPrivLocked(c)
	}
	if in.Valid&fuse.FATTR_GID != 0 {
		ino.gid = in.Gid
	}
	return moved, nil
}

// recharge moves what an inode costs to another owner, all of it or nothing.
//
// Preconditions: ino.mu is held.
func (f *FS) recharge(ino *inode, uid uint32) error {
	n := inodesOf(ino, ino.nlink)
	for taken := range n {
		if err := f.store.ReserveInode(uid); err != nil {
			for range taken {
				f.store.ReleaseInode(uid)
			}
			return err
		}
	}
	meta := ino.metaBytesLocked()
	err := f.store.ChargeMeta(uid, meta)
	if b := ino.contents(); err == nil && b != nil {
		if err = b.SetOwner(uid); err != nil {
			f.store.ReleaseMeta(uid, meta)
		}
	}
	payer := ino.uid
	if err != nil {
		payer = uid
	} else {
		f.store.ReleaseMeta(ino.uid, meta)
	}
	for range n {
		f.store.ReleaseInode(payer)
	}
	return err
}

// resize sets the length of a regular file. Times change as on tmpfs: always by
// ftruncate(2) and open(2) with O_TRUNC; by truncate(2) only if the length
// changes or the file has pages (shmem_truncate_range). The kernel does not
// tell the latter two apart: to cut an empty file to nothing counts as O_TRUNC.
func (f *FS) resize(in *fuse.SetAttrIn, now int64) error {
	ino, err := f.regular(in.NodeId)
	if err != nil {
		return err
	}
	if in.Size > maxOffset {
		return syscall.EFBIG
	}
	size := int64(in.Size)
	byPath := in.Valid&fuse.FATTR_FH == 0
	b, err := f.contentsOf(ino)
	if err != nil {
		return err
	}
	if byPath && size > 0 && b.Size() == size && b.Allocated() == 0 {
		return nil
	}
	if err := f.cutInSteps(b, size, maxOffset); err != nil {
		return err
	}
	if err := f.noteCorrupt(ino, b.Truncate(size)); err != nil {
		return err
	}
	ino.touch(now)
	return nil
}

// killPrivLocked clears set-user-ID, and set-group-ID where the group may
// execute or the caller is not of it, as a change by an unprivileged process
// must (inode(7); the kernel leaves it to us under FUSE_HANDLE_KILLPRIV_V2). Of
// the caller's groups only the first is known.
//
// Preconditions: ino.mu is held.
func (ino *inode) killPrivLocked(c caller) {
	ino.mode &^= syscall.S_ISUID
	if ino.mode&syscall.S_IXGRP != 0 || c.uid != 0 && c.gid != ino.gid {
		ino.mode &^= syscall.S_ISGID
	}
}

// setTimesLocked carries out the utimensat part of a request.
//
// Preconditions: ino.mu is held.
func (ino *inode) setTimesLocked(in *fuse.SetAttrIn, now int64) error {
	if b := ino.contents(); b != nil && b.InFile() {
		return setFileTimes(b, in)
	}
	if in.Valid&fuse.FATTR_ATIME != 0 {
		ino.atime = requestedTime(in.Valid&fuse.FATTR_ATIME_NOW != 0, in.Atime, in.Atimensec, now)
	}
	if in.Valid&fuse.FATTR_MTIME != 0 {
		ino.mtime = requestedTime(in.Valid&fuse.FATTR_MTIME_NOW != 0, in.Mtime, in.Mtimensec, now)
	}
	return nil
}

func requestedTime(isNow bool, sec uint64, nsec uint32, now int64) stamp {
	if isNow {
		return stampOf(now)
	}
	return stamp{int64(sec), nsec}
}
