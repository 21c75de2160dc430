package fs

import (
	"sync"
	"time"
)

// expiryBacklog bounds what waits to be expired; beyond it the oldest
// are given up, which delays a wipe until the kernel shrinks its dentry cache.
const expiryBacklog = 1 << 16

// Expired is what the kernel is to drop from its caches: the entry Name of the
// directory Parent, which no longer means what it did; with Pages set, all pages
// of the file Pages, or what is cached of the directory Pages, and its attributes;
// with Attr set, the attributes of Attr alone.
type Expired struct {
	Parent uint64 // nodeid
	Name   string // a copy of its own; see Wipe
	Pages  uint64 // nodeid
	Attr   uint64 // nodeid
}

// Wipe overwrites the name, which nothing may read any more.
func (e Expired) Wipe() { wipeName(e.Name) }

// expiry queues names for the kernel to drop from its dentry cache. An entry of
// a naming root has two names; when one of them is removed, the kernel would
// hold the inode through the dentry of the other, and the contents would stay.
//
// The queue is drained outside of requests: FUSE_NOTIFY_INVAL_ENTRY takes the
// parent's lock in the kernel, which the very request may hold.
type expiry struct {
	mu      sync.Mutex
	queue   []Expired     // guarded by mu; at most limit
	limit   int           // immutable
	dropped uint64        // guarded by mu
	wake    chan struct{} // holds a token while queue may be non-empty
	done    chan struct{}
}

func (x *expiry) init() {
	x.limit = expiryBacklog
	x.wake = make(chan struct{}, 1)
	x.done = make(chan struct{})
}

// close ends the queue and overwrites what nobody will fetch.
func (x *expiry) close() {
	close(x.done)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.queue {
		e.Wipe()
	}
	x.queue = nil
}

// expire tells the kernel, soon, that a name is no longer what it was.
func (f *FS) expire(dir *inode, name string) {
	f.expiry.add(Expired{Parent: dir.id, Name: keepName(name)})
}

// expireAttrSoon tells the kernel, soon, to ask again for the attributes.
func (f *FS) expireAttrSoon(ino *inode) { f.expiry.add(Expired{Attr: ino.id}) }

// expirePages tells the kernel, soon, to drop the pages it caches of a file, or
// the listing of a directory, and the attributes.
func (f *FS) expirePages(ino *inode) { f.expiry.add(Expired{Pages: ino.id}) }

// awaitExpiry waits until half of the queue is free, so that a removal of many
// entries loses none of them. It is false if the filesystem or stop was closed.
func (f *FS) awaitExpiry(stop <-chan struct{}) bool {
	x := &f.expiry
	for {
		x.mu.Lock()
		waiting := len(x.queue)
		x.mu.Unlock()
		if waiting <= x.limit/2 {
			return true
		}
		select {
		case <-stop:
			return false
		case <-x.done:
			return false
		case <-time.After(time.Millisecond):
		}
	}
}

func (x *expiry) add(e Expired) {
	x.mu.Lock()
	if len(x.queue) == x.limit {
		x.queue[0].Wipe()
		x.queue = x.queue[1:]
		x.dropped++
	}
	x.queue = append(x.queue, e)
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// NextExpired waits for what the kernel is to drop and returns it, for the caller
// to wipe, or nil once the filesystem is closed or stop is.
func (f *FS) NextExpired(stop <-chan struct{}) []Expired {
	x := &f.expiry
	for {
		x.mu.Lock()
		batch := x.queue
		x.queue = nil
		x.mu.Unlock()
		if len(batch) > 0 {
			return batch
		}
		select {
		case <-x.wake:
		case <-x.done:
			return nil
		case <-stop:
			return nil
		}
	}
}

// otherName expires the name of e that was not used to remove it.
func (f *FS) otherName(e *dentry, used string) {
	switch {
	case e.alias == nil:
	case used != e.alias.requested:
		f.aliasIsStale()
		f.expire(e.dir, e.alias.requested)
	case e.alias.looked.Load():
		f.expire(e.dir, e.name)
	}
}
