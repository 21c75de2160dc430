package memstore

import (
	"sync/atomic"
)

// Blob is the contents of one file: bytes at offsets from 0 to MaxSize, sparse. All methods are safe for concurrent use; each
// is atomic with respect to the others on the same blob. No method keeps a slice that it was given.
//
// Inside a page that exists every byte at or beyond the size is zero, so growing needs to clear nothing.
type Blob struct {
	s *Store // immutable

	size  atomic.Int64 // bytes; written with mu held, read without
	pages atomic.Int64 // pages in table; written with mu held, read without; in a store of files the descriptor, immutable

	mu    rwMutex[blobRank]
	owner *account // guarded by mu; nil after Free
	table table    // guarded by mu
	key   *fileKey // guarded by mu; nil unless the blob has pages and they are encrypted

	next, prev *Blob // guarded by liveList.mu
}

// Size returns the blob's size in bytes. It never waits unless the blob lies in a file; 0 after Free.
func (b *Blob) Size() int64 {
	if b.InFile() {
		return b.sizeOfFile()
	}
	return b.size.Load()
}

// Allocated returns how many pages the blob occupies, holes not counted. It never waits unless the blob lies in a
// file; 0 after Free.
func (b *Blob) Allocated() Pages {
	if b.InFile() {
		return b.pagesOfFile()
	}
	return Pages(b.pages.Load())
}

// lock begins an operation that changes the blob. It fails with ErrInvalid after Free or Close, and holds nothing then.
func (b *Blob) lock() error {
	if err := b.s.enter(); err != nil {
		return err
	}
	b.mu.Lock()
	if b.owner == nil {
		b.unlock()
		return errFreed
	}
	return nil
}

func (b *Blob) unlock() {
	b.mu.Unlock()
	b.s.leave()
}

// rlock is lock for an operation that changes nothing.
func (b *Blob) rlock() error {
	if err := b.s.enter(); err != nil {
		return err
	}
	b.mu.RLock()
	if b.owner == nil {
		b.runlock()
		return errFreed
	}
	return nil
}

func (b *Blob) runlock() {
	b.mu.RUnlock()
	b.s.leave()
}

// Free gives up the contents. In an encrypted store the key goes first, in one step. Up to 1 MiB is overwritten before Free returns; more is cut off at once, overwritten in the
// background, and counts as used until then. A second call, and a call after Close, do nothing.
func (b *Blob) Free() {
	if b.lock() != nil {
		return
	}
	defer b.unlock()
	if b.InFile() {
		b.freeFileLocked()
		return
	}
	b.cutLocked(0, maxPages)
	b.size.Store(0)
	b.owner = nil
}

// SetOwner moves what the blob uses from its owner's share to another's. It fails with ErrQuota when that one has no room,
// and changes nothing then. What was freed before and waits to be overwritten stays with the old owner.
func (b *Blob) SetOwner(owner uint32) error {
	if err := b.lock(); err != nil {
		return err
	}
	defer b.unlock()
	to, n := b.s.owners.get(owner), b.bytesLocked()
	if to == b.owner {
		return nil
	}
	if !b.s.wiper.takeBytes(to, n) {
		return ErrQuota
	}
	b.owner.bytes.give(n)
	b.owner = to
	return nil
}

// bytesLocked returns what the blob was charged. Preconditions: mu is held.
func (b *Blob) bytesLocked() int64 {
	if b.InFile() {
		return FileCost
	}
	if b.table.root.empty() {
		return 0
	}
	return b.pages.Load()*(PageSize+b.s.cfg.sealCost()) + b.table.bytes + b.s.cfg.keyCost()
}

// provideLocked makes every page in [from, to) exist: all of them, or none and an error. Charging comes first, then memory
// from the kernel, and the table last, so a refusal leaves no trace.
//
// Preconditions: mu is held for writing.
func (b *Blob) provideLocked(from, to int64) error {
	bytes, pages := b.table.missing(from, to)
	if pages == 0 {
		return nil
	}
	cost := bytes + pages*(PageSize+b.s.cfg.sealCost())
	if b.table.root.empty() {
		cost += b.s.cfg.keyCost()
	}
	if err := b.s.charge(b.owner, cost); err != nil {
		return err
	}
	if err := b.s.arena.reserve(pages); err != nil {
		b.s.refund(b.owner, cost)
		b.s.wiper.trimSoon() // of the slabs that the kernel gave before it refused
		return err
	}
	if b.table.root.empty() {
		b.s.live.add(b)
		b.makeKeyLocked()
	}
	b.table.raise(to - 1)
	for base := from &^ (fanOut - 1); base < to; base += fanOut {
		lo, hi := clip(base, from, to)
		b.s.arena.fillHoles(b.table.leafFor(base, hi)[lo:hi])
	}
	b.pages.Add(pages)
	return nil
}

// cutLocked frees the pages in [from, to). Few are overwritten here and now, many by the wiper. When all of them go the key is
// destroyed first, so that nothing can be read from then on.
//
// Preconditions: mu is held for writing.
func (b *Blob) cutLocked(from, to int64) {
	if b.table.root.empty() || from >= to {
		return
	}
	if from == 0 && to == maxPages {
		b.destroyKeyLocked()
	}
	now := min(b.pages.Load(), to-from) <= syncPages
	var later []chunk
	pages, dirs := b.table.cut(from, to, func(refs []pageRef, bytes int64) {
		bytes += int64(len(refs)) * b.s.cfg.sealCost()
		if now {
			b.s.wiper.discard(refs)
			b.s.refund(b.owner, bytes)
			return
		}
		later = append(later, chunk{refs: refs, owner: b.owner, bytes: bytes})
	})
	b.pages.Add(-pages)
	b.s.refund(b.owner, dirs)
	if b.table.root.empty() {
		b.s.live.remove(b)
		b.destroyKeyLocked()
		b.s.refund(b.owner, b.s.cfg.keyCost())
	}
	if len(later) > 0 {
		b.s.wiper.add(later)
	}
}

// liveList is the set of blobs that have pages, for Check.
type liveList struct {
	mu   mutex[liveRank]
	head *Blob // guarded by mu
}

func (l *liveList) add(b *Blob) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.next = l.head
	if l.head != nil {
		l.head.prev = b
	}
	l.head = b
}

func (l *liveList) remove(b *Blob) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.prev == nil {
		l.head = b.next
	} else {
		b.prev.next = b.next
	}
	if b.next != nil {
		b.next.prev = b.prev
	}
	b.next, b.prev = nil, nil
}
