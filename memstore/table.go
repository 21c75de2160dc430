package memstore

import (
	"math/bits"
	"slices"
)

const (
	fanBits = 9
	fanOut  = 1 << fanBits // of directories and of leaves

	maxPages = 1 << (63 - pageShift) // pages of a blob of MaxSize

	refBytes = 4           // size of a reference
	minLeaf  = 4           // references of the smallest leaf
	dirBytes = fanOut * 32 // size of a directory; TestNodeSizes holds it against the type
)

// table maps page numbers of a blob to pages: a radix tree whose height grows with the file, of which only what is used
// exists. A lookup costs one step per level: none up to 2 MiB, one up to 1 GiB, two up to 512 GiB, five at most. The collector
// has next to nothing to scan, since leaves hold no pointers.
//
// The tree's own memory counts: bytes is what it was charged. It is guarded by its blob's mu.
type table struct {
	root   node
	bytes  int64
	height uint8 // levels of directories above the leaves; 0 while empty
}

// node is a directory, a leaf, or (zero) neither: nothing stored below it. A leaf covers fanOut pages but holds only as many
// references as its highest page needs, growing by doubling; so the table of a small file costs a few bytes.
type node struct {
	dir  *[fanOut]node
	leaf []pageRef
}

func (n *node) empty() bool { return n.dir == nil && n.leaf == nil }

// leafCap returns how many references a leaf for n pages holds.
func leafCap(n int) int {
	if n == 0 {
		return 0
	}
	return max(minLeaf, 1<<bits.Len(uint(n-1)))
}

func leafBytes(n int) int64 { return int64(leafCap(n)) * refBytes }

// heightFor returns the height of a tree that reaches page i.
func heightFor(i int64) uint8 {
	return uint8(max(bits.Len64(uint64(i))-1, 0) / fanBits)
}

// slot returns the place of page i in the node at a level; leaves are level 0.
func slot(i int64, level uint8) int {
	return int(i>>(uint(level)*fanBits)) & (fanOut - 1)
}

// span returns how many pages a node at a level covers.
func span(level uint8) int64 { return 1 << (uint(level+1) * fanBits) }

// find returns the leaf that covers page i, nil when there is none, and the lowest level at which a node on the way to it
// exists (or will, once the tree is as high as i needs): 0 is the leaf itself.
func (t *table) find(i int64) (leaf []pageRef, level uint8) {
	if t.root.empty() {
		return nil, max(heightFor(i), t.height) + 1
	}
	if h := heightFor(i); h > t.height {
		return nil, h
	}
	n, level := &t.root, t.height
	for ; level > 0; level-- {
		child := &n.dir[slot(i, level)]
		if child.empty() {
			return nil, level
		}
		n = child
	}
	return n.leaf, 0
}

// missing returns what it takes to have a page for every page number in [from, to): bytes of new nodes, and pages.
func (t *table) missing(from, to int64) (bytes, pages int64) {
	height := heightFor(to - 1)
	if !t.root.empty() && height > t.height {
		bytes = int64(height-t.height) * dirBytes
	}
	for base := from &^ (fanOut - 1); base < to; base += fanOut {
		leaf, level := t.find(base)
		if t.root.empty() {
			level = height + 1
		}
		for l := uint8(1); l < level; l++ {
			// A directory was counted with an earlier leaf unless this leaf is the first of the range or of the directory.
			if base <= from || base&(span(l)-1) == 0 {
				bytes += dirBytes
			}
		}
		lo, hi := clip(base, from, to)
		bytes += max(leafBytes(hi)-leafBytes(len(leaf)), 0)
		pages += int64(hi - lo)
		for k := lo; k < min(hi, len(leaf)); k++ {
			if leaf[k] != hole {
				pages--
			}
		}
	}
	return bytes, pages
}

// clip returns the part of [from, to) that lies in the leaf beginning at base, as places in that leaf.
func clip(base, from, to int64) (lo, hi int) {
	return int(max(from-base, 0)), int(min(to-base, fanOut))
}

// raise makes the tree high enough for page i. The caller has charged for it.
func (t *table) raise(i int64) {
	height := heightFor(i)
	if t.root.empty() {
		t.height = max(t.height, height)
		return
	}
	for ; t.height < height; t.height++ {
		dir := new([fanOut]node)
		dir[0] = t.root
		t.root = node{dir: dir}
		t.bytes += dirBytes
	}
}

// leafFor returns the leaf beginning at page base, made or grown to hold hi references. Preconditions: the tree is high enough,
// the caller has charged for what is made.
func (t *table) leafFor(base int64, hi int) []pageRef {
	n := &t.root
	for level := t.height; level > 0; level-- {
		if n.dir == nil {
			n.dir = new([fanOut]node)
			t.bytes += dirBytes
		}
		n = &n.dir[slot(base, level)]
	}
	if hi > len(n.leaf) {
		grown := make([]pageRef, leafCap(hi))
		copy(grown, n.leaf)
		t.bytes += leafBytes(hi) - leafBytes(len(n.leaf))
		n.leaf = grown
	}
	return n.leaf
}

// segment returns the references from page i to the end of its leaf or to end, whichever comes first, and that place. The
// references may stop short of it; what is not there is holes.
func (t *table) segment(i, end int64) (refs []pageRef, next int64) {
	base := i &^ (fanOut - 1)
	leaf, _ := t.find(i)
	lo, hi := clip(base, i, end)
	next = base + int64(hi)
	if lo >= len(leaf) {
		return nil, next
	}
	return leaf[lo:min(hi, len(leaf))], next
}

// seek returns the first page number in [i, end) that has a page (data) or has none (!data); end when there is none.
func (t *table) seek(i, end int64, data bool) int64 {
	for i < end {
		leaf, level := t.find(i)
		if leaf == nil {
			if !data {
				return i
			}
			if level > t.height {
				return end
			}
			i = (i/span(level-1) + 1) * span(level-1)
			continue
		}
		base := i &^ (fanOut - 1)
		for ; i < base+fanOut && i < end; i++ {
			k := int(i - base)
			if (k < len(leaf) && leaf[k] != hole) == data {
				return i
			}
		}
	}
	return end
}

// cutter is one cut under way.
type cutter struct {
	emit   func(refs []pageRef, bytes int64)
	pages  int64 // pages taken out
	leaves int64 // bytes of leaves that are gone
	dirs   int64 // bytes of directories that are gone
}

// cut takes the pages in [from, to) out of the table, and the nodes that are empty then. emit is given the pages of one leaf
// at a time, without holes and to keep, and the bytes that were charged for them and for the leaf itself if that is gone. cut
// returns how many pages it took out, and the bytes of directories that are gone, of which emit was not told.
func (t *table) cut(from, to int64, emit func(refs []pageRef, bytes int64)) (pages, dirs int64) {
	c := cutter{emit: emit}
	t.root.cut(t.height, from, min(to, span(t.height)), &c)
	for t.height > 0 && t.root.onlyFirst() {
		t.root = t.root.dir[0]
		t.height--
		c.dirs += dirBytes
	}
	if t.root.empty() {
		t.height = 0
	}
	t.bytes -= c.leaves + c.dirs
	return c.pages, c.dirs
}

// cut is table.cut for one node; from and to count from the node's first page.
func (n *node) cut(level uint8, from, to int64, c *cutter) {
	if level == 0 {
		n.cutLeaf(int(from), int(to), c)
		return
	}
	if n.dir == nil || from >= to {
		return
	}
	child := span(level - 1)
	for k := from / child; k*child < to; k++ {
		n.dir[k].cut(level-1, max(from-k*child, 0), min(to-k*child, child), c)
	}
	if n.firstUsed() == fanOut {
		n.dir = nil
		c.dirs += dirBytes
	}
}

// cutLeaf takes the references [lo, hi) out of a leaf: the leaf itself when that is all of it, else a copy.
func (n *node) cutLeaf(lo, hi int, c *cutter) {
	leaf := n.leaf
	hi = min(hi, len(leaf))
	if lo >= hi {
		return
	}
	var refs []pageRef
	if lo == 0 && hi == len(leaf) {
		refs, n.leaf = withoutHoles(leaf), nil
	} else {
		refs = withoutHoles(slices.Clone(leaf[lo:hi]))
		clear(leaf[lo:hi])
		if firstPage(leaf) == len(leaf) {
			n.leaf = nil
		}
	}
	bytes := int64(len(refs)) * PageSize
	if n.leaf == nil {
		c.leaves += leafBytes(len(leaf))
		bytes += leafBytes(len(leaf))
	}
	c.pages += int64(len(refs))
	if bytes > 0 {
		c.emit(refs, bytes)
	}
}

// firstUsed returns the first slot of a directory that is not empty; fanOut when there is none.
func (n *node) firstUsed() int {
	for k := range n.dir {
		if !n.dir[k].empty() {
			return k
		}
	}
	return fanOut
}

// onlyFirst reports whether a directory has nothing but its first slot, so that the tree may be lower.
func (n *node) onlyFirst() bool {
	if n.dir == nil {
		return false
	}
	for k := range n.dir {
		if n.dir[k].empty() != (k != 0) {
			return false
		}
	}
	return true
}

// withoutHoles moves the pages of refs together, in place.
func withoutHoles(refs []pageRef) []pageRef {
	return slices.DeleteFunc(refs, func(r pageRef) bool { return r == hole })
}

// firstPage returns the place of the first page; len(refs) when there is none.
func firstPage(refs []pageRef) int {
	if k := slices.IndexFunc(refs, func(r pageRef) bool { return r != hole }); k >= 0 {
		return k
	}
	return len(refs)
}
