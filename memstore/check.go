package memstore

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
)

// Check holds the whole store against itself and returns every contradiction found, joined; nil when there is none, and after
// Close. It compares the page tables of all blobs, the bitmaps and lists of the slabs and the accounts of all owners, and reads
// every free page and every byte beyond a blob's size to see that it is zero.
//
// It waits for the operations under way and the wiper, and holds everything else up meanwhile: it is for tests and for the end
// of a mount. What it returns is for a person and matches no error kind.
func (s *Store) Check() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	for s.wiper.help() {
	}
	a := s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.moving > 0 { // the wiper's goroutine may be giving slabs back
		a.settled.Wait()
	}
	c := checker{s: s, used: make([][slabWords]uint64, a.table.made), sums: map[*account]int64{}}
	for b := s.live.head; b != nil; b = b.next {
		c.blob(b)
	}
	c.slabs()
	c.lists()
	c.accounts()
	return errors.Join(c.found...)
}

// maxFindings bounds a report: one broken page table can contradict everything.
const maxFindings = 20

// checker collects what the blobs use and what contradicts it. Preconditions of its methods: as in Check.
type checker struct {
	s    *Store
	used [][slabWords]uint64 // per slab: pages found in a blob
	sums map[*account]int64  // bytes found, by owner

	inFiles int64 // bytes of pages in files
	found   []error
}

func (c *checker) fail(format string, args ...any) {
	if len(c.found) < maxFindings {
		c.found = append(c.found, fmt.Errorf("memstore: check: "+format, args...))
	}
}

// equal fails unless a count kept along the way is what a recount gives.
func (c *checker) equal(what string, kept, recounted int64) {
	if kept != recounted {
		c.fail("%s is kept as %d, a recount gives %d", what, kept, recounted)
	}
}

// blob recounts one blob.
func (c *checker) blob(b *Blob) {
	if b.InFile() {
		info, err := b.fileLocked().info()
		if err != nil {
			c.fail("%w", err)
		}
		c.sums[b.owner] += FileCost
		c.inFiles += int64(info.Allocated.Bytes())
		return
	}
	pages, nodes := c.node(b, &b.table.root, b.table.height, 0)
	c.equal("number of pages of a blob", b.pages.Load(), pages)
	c.equal("size of a page table", b.table.bytes, nodes)
	if b.owner == nil || b.table.root.empty() {
		c.fail("a blob without pages is listed as having some")
	}
	c.sums[b.owner] += pages*(PageSize+c.s.cfg.sealCost()) + nodes + c.s.cfg.keyCost()
}

// node recounts what lies below a node whose first page is base.
func (c *checker) node(b *Blob, n *node, level uint8, base int64) (pages, nodes int64) {
	if level == 0 {
		for k, r := range n.leaf {
			if r != hole {
				pages++
				c.page(b, r, base+int64(k))
			}
		}
		if pages == 0 && n.leaf != nil {
			c.fail("a leaf without pages was not removed")
		}
		return pages, leafBytes(len(n.leaf))
	}
	if n.dir == nil {
		return 0, 0
	}
	nodes = dirBytes
	for k := range n.dir {
		p, m := c.node(b, &n.dir[k], level-1, base+int64(k)*span(level-1))
		pages, nodes = pages+p, nodes+m
	}
	if pages == 0 {
		c.fail("a directory without pages was not removed")
	}
	return pages, nodes
}

// page marks a page as used, and reads it, beyond the blob's size at least. Page i of a blob is meant.
func (c *checker) page(b *Blob, r pageRef, i int64) {
	slab, place := r.slabOf()
	if slab >= c.s.arena.table.made {
		c.fail("page %d of a blob refers to slab %d, which was never used", i, slab)
		return
	}
	word, bit := &c.used[slab][place/64], uint64(1)<<(place%64)
	if *word&bit != 0 {
		c.fail("place %d of slab %d is used twice", place, slab)
	}
	*word |= bit
	from := min(max(b.size.Load()-i<<pageShift, 0), PageSize)
	if err := b.inClear(r, i, func(p []byte) {
		if !isZero(p[from:]) {
			c.fail("page %d of a blob of %d bytes is not zero beyond its size", i, b.size.Load())
		}
	}); err != nil {
		c.fail("%w", err)
	}
}

// slabs holds the bitmaps against what the blobs use.
func (c *checker) slabs() {
	a := c.s.arena
	var free, mapped, locked, guarded int64
	for i := range a.table.made {
		s := a.table.at(i)
		free += int64(s.nfree)
		locked += asInt(s.locked)
		guarded += asInt(s.guarded)
		if s.list == absentSlabs {
			c.absentSlab(i, s)
			continue
		}
		mapped++
		c.mappedSlab(i, s)
	}
	c.equal("number of free pages", a.free, free)
	c.equal("number of mapped slabs", int64(a.mapped), mapped)
	c.equal("number of locked slabs", int64(a.locked), locked)
	c.equal("number of guarded slabs", int64(a.guarded), guarded)
	c.equal("number of promised pages", a.promised, 0)
}

func (c *checker) absentSlab(i uint32, s *slab) {
	if s.free != [slabWords]uint64{} || c.used[i] != [slabWords]uint64{} {
		c.fail("slab %d has pages but no memory", i)
	}
}

func (c *checker) mappedSlab(i uint32, s *slab) {
	n := 0
	for w := range s.free {
		n += bits.OnesCount64(s.free[w])
		if s.free[w]&c.used[i][w] != 0 {
			c.fail("slab %d has pages that are both free and used", i)
		}
		if s.free[w]|c.used[i][w] != places(w, c.s.arena.table.perSlab) {
			c.fail("slab %d has pages that are neither free nor used", i)
		}
	}
	c.equal("number of free pages of a slab", int64(s.nfree), int64(n))
	if s.guarded || !s.writable {
		c.fail("slab %d is mapped but not writable", i)
		return
	}
	for place := range uint32(c.s.arena.table.perSlab) {
		if s.free[place/64]&(1<<(place%64)) != 0 && !c.s.arena.pristine(pageRef(i*slabPages+place+1)) {
			c.fail("place %d of slab %d is free but not zero", place, i)
		}
	}
}

// lists walks the lists of slabs.
func (c *checker) lists() {
	t := &c.s.arena.table
	listed := 0
	for list := range uint8(numLists) {
		n, prev := 0, noSlab
		for i := t.heads[list]; i != noSlab && n <= int(t.made); i = t.at(i).next {
			s := t.at(i)
			if s.list != list || s.prev != prev || list != absentSlabs && list != t.listOf(s.nfree) {
				c.fail("slab %d with %d free pages is on list %d wrongly", i, s.nfree, list)
			}
			n, prev = n+1, i
		}
		c.equal("length of a list of slabs", int64(t.lens[list]), int64(n))
		if (n > 0) != (t.nonEmpty&(1<<list) != 0) {
			c.fail("list %d of %d slabs is marked wrongly", list, n)
		}
		listed += n
	}
	c.equal("number of slabs", int64(t.made), int64(listed))
}

// accounts holds every account against what its blobs use.
func (c *checker) accounts() {
	s := c.s
	s.owners.mu.RLock()
	defer s.owners.mu.RUnlock()
	var bytes, meta, inodes int64
	for _, o := range s.owners.all {
		c.equal("bytes of an owner", o.bytes.used.Load(), c.sums[o]+o.meta.Load())
		c.equal("bytes of an owner to be overwritten", o.wiping.Load(), 0)
		bytes += c.sums[o] + o.meta.Load()
		meta += o.meta.Load()
		inodes += o.inodes.used.Load()
	}
	c.equal("bytes of the store", s.total.bytes.used.Load(), bytes)
	c.equal("metadata of the store", s.total.meta.Load(), meta)
	c.equal("inodes of the store", s.total.inodes.used.Load(), inodes)
	if s.files != nil {
		c.equal("bytes of files", s.files.tmpfs.used(), c.inFiles)
		if aside := s.files.aside.Load(); bytes > aside {
			c.fail("%d bytes are set aside for %d", aside, bytes)
		}
	}
	c.equal("bytes of the store to be overwritten", s.total.wiping.Load(), 0)
}

var zeros [PageSize]byte

// isZero reports whether p, a page at most, is all zero.
func isZero(p []byte) bool { return bytes.Equal(p, zeros[:len(p)]) }

// pristine reports whether a page is as a free one has to be.
func (a *arena) pristine(r pageRef) bool {
	p := a.page(r)
	return isZero(p[:PageSize]) && isZero(p[PageSize:]) && a.seals.version(r) == 0
}

func asInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
