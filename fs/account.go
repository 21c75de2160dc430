package fs

import (
	"errors"
	"runtime"
	"syscall"
	"time"

	"safetmp/memstore"
)

// What the tree takes of the Go heap is charged against the size of the mount,
// so that a workload cannot fill memory with empty files. The figures are what
// an entry costs in the daemon, with a quarter more for the collector: see
// TestLimitResident in integration, which fills a mount with each kind.
const (
	inodeBytes     memstore.Bytes = 256 // an inode of any kind
	blobBytes      memstore.Bytes = 160 // more for a regular file, whether it has contents or not
	directoryBytes memstore.Bytes = 768 // more for a directory
	nameOverhead   memstore.Bytes = 192 // a name or an attribute, beside its own bytes
)

// metaBytes is what n bytes of a name or an attribute cost.
func metaBytes(n int) memstore.Bytes { return memstore.Bytes(n) + nameOverhead }

// bareBytes is what an inode costs without names and attributes.
func bareBytes(mode uint32, link string) memstore.Bytes {
	n := inodeBytes
	switch mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		n += blobBytes
	case syscall.S_IFDIR:
		n += directoryBytes
	}
	if link != "" {
		n += metaBytes(len(link))
	}
	return n
}

// reclaimWait bounds how long a request waits for space that the kernel is
// about to give back.
const reclaimWait = 50 * time.Millisecond

// PauseWith makes requests wait by means of pause instead of sleeping, so that
// whoever serves them can serve others meanwhile. It returns false if a request
// may not wait at all. It is to be called before the first request.
func (f *FS) PauseWith(pause func(time.Duration) bool) { f.pause = pause }

// withReclaim runs take, which asks the store for room. If there is none while
// unlinked inodes still wait for the kernel's FORGET, which it sends after the
// unlink has returned, take is tried again for a short while: a program that
// deletes and then writes must not see ENOSPC for room that it has made.
//
// Preconditions: no lock of this package is held, as whoever serves the request
// serves others while it waits.
func (f *FS) withReclaim(take func() error) error {
	err := take()
	if err == nil || !outOfRoom(err) || f.orphans.Load() == 0 {
		return err
	}
	mustHoldNone()
	for deadline := time.Now().Add(reclaimWait); time.Now().Before(deadline); {
		before := f.orphans.Load()
		runtime.Gosched()
		if !f.pause(time.Millisecond) {
			return err
		}
		if err = take(); err == nil || !outOfRoom(err) {
			return err
		}
		if f.orphans.Load() == 0 && before == 0 {
			return err
		}
	}
	return err
}

// sleep waits where nothing else was asked for.
func sleep(d time.Duration) bool {
	time.Sleep(d)
	return true
}

// outOfRoom says whether err is about a limit of the store.
func outOfRoom(err error) bool {
	return errors.Is(err, memstore.ErrNoSpace) || errors.Is(err, memstore.ErrNoInodes) || errors.Is(err, memstore.ErrQuota)
}

// reserve takes one inode and the room for it and for its names, or nothing.
func (f *FS) reserve(uid uint32, room memstore.Bytes) error {
	return f.withReclaim(func() error {
		if err := f.store.ReserveInode(uid); err != nil {
			return err
		}
		if err := f.store.ChargeMeta(uid, room); err != nil {
			f.store.ReleaseInode(uid)
			return err
		}
		return nil
	})
}

// unreserve is the opposite of reserve.
func (f *FS) unreserve(uid uint32, room memstore.Bytes) {
	f.store.ReleaseMeta(uid, room)
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
// overwrites its contents, attributes and target. It does nothing the second time.
func (f *FS) dispose(ino *inode) {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.gone {
		return
	}
	ino.gone = true
	if b := ino.contents(); b != nil {
		if id := ino.rareLocked().backing; id != 0 {
			f.backing.CloseBacking(id)
		}
		b.Free()
	}
	f.dropXattrsLocked(ino)
	link := ino.rareLocked().link
	f.store.ReleaseMeta(ino.uid, bareBytes(ino.mode, link))
	wipeName(link)
	for range inodesOf(ino, ino.nlink) {
		f.store.ReleaseInode(ino.uid)
	}
}
