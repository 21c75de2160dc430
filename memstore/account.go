package memstore

import (
	"math"
	"sync/atomic"
)

// counter is an amount with a bound. Whatever it counts is taken here first and made afterwards, so the bound holds at every
// moment and not only between operations.
type counter struct {
	used  atomic.Int64
	limit int64 // immutable
}

// newCounter returns a counter bounded by limit; 0 means unbounded.
func newCounter(limit int64) counter {
	if limit == 0 {
		limit = math.MaxInt64
	}
	return counter{limit: limit}
}

// take adds n and reports true, or changes nothing and reports false when that would pass the limit.
func (c *counter) take(n int64) bool {
	for {
		used := c.used.Load()
		if n > c.limit-used {
			return false
		}
		if c.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// give takes n back. More given than was taken is a bug in the caller, never the effect of input; the counter stays as it was.
func (c *counter) give(n int64) { giveBack(&c.used, n) }

func giveBack(used *atomic.Int64, n int64) {
	if used.Add(-n) < 0 {
		used.Add(n)
		panic("memstore: more given back than was taken")
	}
}

// account is what the store or one owner uses. A chunk waiting to be overwritten counts in bytes and in wiping.
type account struct {
	bytes  counter      // pages, page tables, metadata, chunks being wiped
	inodes counter      // reserved inodes
	meta   atomic.Int64 // the part of bytes that ChargeMeta took
	wiping atomic.Int64 // the part of bytes that waits for the wiper
}

// owners holds one account per owner ever seen. Accounts are kept until the store goes: one is some 80 bytes, the set of uids
// is small, and a pointer that never becomes stale keeps locks out of the charging path.
type owners struct {
	bytes, inodes int64 // immutable; limits of each account

	mu  rwMutex[ownersRank]
	all map[uint32]*account // guarded by mu
}

// get returns the owner's account, making it at first sight.
func (o *owners) get(id uint32) *account {
	o.mu.RLock()
	a := o.all[id]
	o.mu.RUnlock()
	if a != nil {
		return a
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.all[id]; a != nil {
		return a
	}
	a = &account{bytes: newCounter(o.bytes), inodes: newCounter(o.inodes)}
	o.all[id] = a
	return a
}

// charge takes n bytes for an owner and for the store, or nothing and says which of them has no room.
func (s *Store) charge(owner *account, n int64) error {
	if !s.wiper.takeBytes(owner, n) {
		return ErrQuota
	}
	if !s.wiper.takeBytes(&s.total, n) {
		owner.bytes.give(n)
		return ErrNoSpace
	}
	if s.files != nil && !s.wiper.untilDone(&s.total, s.files.cover) {
		s.refund(owner, n)
		return ErrNoSpace
	}
	return nil
}

// refund gives back what charge took.
func (s *Store) refund(owner *account, n int64) {
	owner.bytes.give(n)
	s.total.bytes.give(n)
	if s.files != nil {
		s.files.uncover()
	}
}

// ReserveInode counts one inode for the owner. It fails with ErrQuota or ErrNoInodes, and then counts nothing.
func (s *Store) ReserveInode(owner uint32) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	o := s.owners.get(owner)
	if !o.inodes.take(1) {
		return ErrQuota
	}
	if !s.total.inodes.take(1) {
		o.inodes.give(1)
		return ErrNoInodes
	}
	return nil
}

// ReleaseInode gives back one inode of the owner's. It panics when the owner has none, and does nothing after Close.
func (s *Store) ReleaseInode(owner uint32) {
	if s.enter() != nil {
		return
	}
	defer s.leave()
	s.owners.get(owner).inodes.give(1)
	s.total.inodes.give(1)
}

// ChargeMeta counts n bytes that the caller keeps elsewhere (names, extended attributes) against the owner's share and the
// store's limit. It fails with ErrQuota or ErrNoSpace, and then counts nothing. Like every allocation it waits for the wiper
// before it fails.
func (s *Store) ChargeMeta(owner uint32, n Bytes) error {
	if n < 0 {
		return errOffset
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	o := s.owners.get(owner)
	if err := s.charge(o, int64(n)); err != nil {
		return err
	}
	o.meta.Add(int64(n))
	s.total.meta.Add(int64(n))
	return nil
}

// ReleaseMeta gives back n bytes of ChargeMeta. It panics when n is negative or the owner has not so many, and does nothing
// after Close.
func (s *Store) ReleaseMeta(owner uint32, n Bytes) {
	if n < 0 {
		panic("memstore: a negative amount given back")
	}
	if s.enter() != nil {
		return
	}
	defer s.leave()
	o := s.owners.get(owner)
	giveBack(&o.meta, int64(n))
	giveBack(&s.total.meta, int64(n))
	s.refund(o, int64(n))
}
