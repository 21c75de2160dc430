package fs

import (
	"errors"
	"runtime"
	"time"

	"safetmp/memstore"
)

// metaOverhead is charged for a name or an attribute beside its own bytes.
const metaOverhead = 32

// metaBytes is what n bytes of names or attributes cost.
func metaBytes(n int) memstore.Bytes { return memstore.Bytes(n + metaOverhead) }

// reclaimWait bounds how long a request waits for space that the kernel is
// about to give back.
const reclaimWait = 50 * time.Millisecond

// withReclaim runs take, which asks the store for room. If there is none while
// unlinked inodes still wait for the kernel's FORGET, which it sends after the
// unlink has returned, take is tried again for a short while: a program that
// deletes and then writes must not see ENOSPC for room that it has made.
func (f *FS) withReclaim(take func() error) error {
	err := take()
	if err == nil || !outOfRoom(err) || f.orphans.Load() == 0 {
		return err
	}
	for deadline := time.Now().Add(reclaimWait); time.Now().Before(deadline); {
		before := f.orphans.Load()
		runtime.Gosched()
		time.Sleep(time.Millisecond)
		if err = take(); err == nil || !outOfRoom(err) {
			return err
		}
		if f.orphans.Load() == 0 && before == 0 {
			return err
		}
	}
	return err
}

// outOfRoom says whether err is about a limit of the store.
func outOfRoom(err error) bool {
	return errors.Is(err, memstore.ErrNoSpace) || errors.Is(err, memstore.ErrNoInodes) || errors.Is(err, memstore.ErrQuota)
}

// reserve takes one inode and the room for an entry's names, or nothing.
func (f *FS) reserve(uid uint32, names memstore.Bytes) error {
	return f.withReclaim(func() error {
		if err := f.store.ReserveInode(uid); err != nil {
			return err
		}
		if err := f.store.ChargeMeta(uid, names); err != nil {
			f.store.ReleaseInode(uid)
			return err
		}
		return nil
	})
}

// unreserve is the opposite of reserve.
func (f *FS) unreserve(uid uint32, names memstore.Bytes) {
	f.store.ReleaseMeta(uid, names)
	f.store.ReleaseInode(uid)
}

// inodesOf is how many inodes of the limit an inode with nlink links takes: as
// on tmpfs each further hard link counts as one.
func inodesOf(ino *inode, nlink uint32) uint32 {
	if ino.isDir() || nlink <= 1 {
		return 1
	}
	return nlink
}

// dispose gives an inode that nothing refers to any more back to the store and
// overwrites its contents. It does nothing the second time.
func (f *FS) dispose(ino *inode) {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.gone {
		return
	}
	ino.gone = true
	if ino.blob != nil {
		ino.blob.Free()
	}
	f.dropXattrsLocked(ino)
	if ino.link != "" {
		f.store.ReleaseMeta(ino.uid, metaBytes(len(ino.link)))
	}
	for range inodesOf(ino, ino.nlink) {
		f.store.ReleaseInode(ino.uid)
	}
}

// releaseNames gives back what the names in a directory cost; it is for
// directories that go away with their entries, at the end of the mount.
func (f *FS) releaseNames(ino *inode) {
	if ino.dir == nil {
		return
	}
	for _, e := range ino.dir.snapshot() {
		f.store.ReleaseMeta(e.payer, e.charge)
	}
}
