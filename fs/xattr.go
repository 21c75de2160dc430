package fs

import (
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"safetmp/memstore"
)

// nameXattr reads the assigned name of an entry of a naming root. It cannot be
// set, and ENODATA says that there is none.
const nameXattr = "user.safetmp.name"

// maxXattrValue is XATTR_SIZE_MAX, in bytes (limits.h).
const maxXattrValue = 64 << 10

// GetXAttr copies an extended attribute to dest, where rawName may lie as well
// (getxattr(2)): ENODATA, ERANGE if dest is too short, EOPNOTSUPP for what the
// policy never stores.
func (f *FS) GetXAttr(_ <-chan struct{}, h *fuse.InHeader, rawName string, dest []byte) (uint32, fuse.Status) {
	ino, err := f.inode(h.NodeId)
	if err != nil {
		return 0, toStatus(err)
	}
	if err := f.policy.Xattr(rawName).Err(); err != nil {
		return 0, toStatus(err)
	}
	ino.mu.Lock()
	defer ino.mu.Unlock()
	value, ok := ino.rareLocked().xattrs.get(rawName)
	if rawName == nameXattr {
		value, ok = ino.assignedNameLocked()
	}
	if !ok {
		return 0, fuse.ENODATA
	}
	return giveBytes(dest, value)
}

// assignedNameLocked is the value of nameXattr.
//
// Preconditions: ino.mu is held.
func (ino *inode) assignedNameLocked() ([]byte, bool) {
	for _, e := range ino.entriesLocked() {
		if e.alias != nil {
			return viewName(e.name), true
		}
	}
	return nil, false
}

// giveBytes answers with a value or, if dest is empty, with its length.
func giveBytes(dest, value []byte) (uint32, fuse.Status) {
	if len(value) > len(dest) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}

// ListXAttr copies the names of the extended attributes to dest, each with a
// NUL behind it (listxattr(2)): ERANGE if dest is too short. user.safetmp.name
// is not among them, or everything that preserves attributes would copy it.
func (f *FS) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	ino, err := f.inode(h.NodeId)
	if err != nil {
		return 0, toStatus(err)
	}
	ino.mu.Lock()
	defer ino.mu.Unlock()
	return ino.rareLocked().xattrs.list(dest)
}

// SetXAttr stores a user attribute (setxattr(2)), whose bytes count against the
// size of the mount: EEXIST and ENODATA as the flags ask, E2BIG, ENOSPC,
// EOPNOTSUPP for what the policy never stores, EPERM for user.safetmp.name.
func (f *FS) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, rawName string, data []byte) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	return toStatus(f.setXattr(callerOf(&in.InHeader), in, rawName, data))
}

func (f *FS) setXattr(c caller, in *fuse.SetXAttrIn, rawName string, data []byte) error {
	ino, err := f.living(in.NodeId)
	if err != nil {
		return err
	}
	if err := f.judge(c, "setxattr", rawName, f.policy.SetXattr(rawName, len(data))); err != nil {
		return err
	}
	if len(data) > maxXattrValue {
		return syscall.E2BIG
	}
	if err := f.storeXattr(ino, in.Flags, rawName, data); err != nil {
		return err
	}
	f.overtake(c, ino)
	return nil
}

// storeXattr is setXattr of what was allowed.
func (f *FS) storeXattr(ino *inode, flags uint32, rawName string, data []byte) error {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.gone {
		return syscall.ESTALE
	}
	_, exists := ino.rareLocked().xattrs.get(rawName)
	switch {
	case exists && flags&unix.XATTR_CREATE != 0:
		return syscall.EEXIST
	case !exists && flags&unix.XATTR_REPLACE != 0:
		return syscall.ENODATA
	}
	if err := f.store.ChargeMeta(ino.uid, xattrBytes(rawName, data)); err != nil {
		return err
	}
	if exists {
		f.dropXattrLocked(ino, rawName)
	}
	ino.makeRareLocked().xattrs.add(xattr{keepName(rawName), slices.Clone(data)})
	ino.ctime = f.now()
	return nil
}

// RemoveXAttr deletes a user attribute (removexattr(2)) and overwrites its
// value: ENODATA, EPERM for user.safetmp.name.
func (f *FS) RemoveXAttr(_ <-chan struct{}, h *fuse.InHeader, rawName string) fuse.Status {
	f.enter(h.NodeId)
	defer f.leave()
	return toStatus(f.removeXattr(callerOf(h), h.NodeId, rawName))
}

func (f *FS) removeXattr(c caller, nodeid uint64, rawName string) error {
	ino, err := f.living(nodeid)
	if err != nil {
		return err
	}
	if err := f.judge(c, "removexattr", rawName, f.policy.RemoveXattr(rawName)); err != nil {
		return err
	}
	if err := f.deleteXattr(ino, rawName); err != nil {
		return err
	}
	f.overtake(c, ino)
	return nil
}

// deleteXattr is removeXattr of what was allowed.
func (f *FS) deleteXattr(ino *inode, rawName string) error {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if _, ok := ino.rareLocked().xattrs.get(rawName); !ok {
		return syscall.ENODATA
	}
	f.dropXattrLocked(ino, rawName)
	ino.ctime = f.now()
	return nil
}

// xattrBytes is what an attribute costs.
func xattrBytes(name string, value []byte) memstore.Bytes { return metaBytes(len(name) + len(value)) }

// metaBytesLocked is what an inode costs with its attributes, without its names.
//
// Preconditions: ino.mu is held.
func (ino *inode) metaBytesLocked() memstore.Bytes {
	r := ino.rareLocked()
	n := bareBytes(ino.mode, r.link)
	for _, x := range r.xattrs {
		n += xattrBytes(x.name, x.value)
	}
	return n
}

// dropXattrLocked deletes one attribute, overwrites its name and value and gives
// back what it cost.
//
// Preconditions: ino.mu is held; ino has the attribute.
func (f *FS) dropXattrLocked(ino *inode, rawName string) {
	x := ino.rare.xattrs.take(rawName)
	f.store.ReleaseMeta(ino.uid, xattrBytes(x.name, x.value))
	x.wipe()
}

// dropXattrsLocked deletes all attributes.
//
// Preconditions: ino.mu is held.
func (f *FS) dropXattrsLocked(ino *inode) {
	for len(ino.rareLocked().xattrs) > 0 {
		f.dropXattrLocked(ino, ino.rare.xattrs[len(ino.rare.xattrs)-1].name)
	}
}
