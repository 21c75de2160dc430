package memstore

import "math/bits"

const (
	slabShift = 21
	slabSize  = 1 << slabShift
	slabPages = slabSize / PageSize
	slabWords = slabPages / 64
)

// pageRef names a page of the arena: 1 + slabPages for each slab before its own + its place there, also where a slab has fewer
// pages. The zero value is a hole, so fresh tables need no filling.
type pageRef uint32

const hole pageRef = 0

// slabOf returns the index of the slab that a page lies in, and the page's place there.
func (r pageRef) slabOf() (slab, place uint32) {
	i := uint32(r) - 1
	return i / slabPages, i % slabPages
}

// firstOfSlab reports whether no page of the same slab is before r.
func (r pageRef) firstOfSlab() bool { return (uint32(r)-1)%slabPages == 0 }

// A slab is on exactly one list, or on none while its memory is being got or given back. The lists of mapped slabs are by
// number of free pages in powers of two, so that the fullest slab with room is found by one bit scan, and the emptiest ones
// drain and can go back to the kernel.
const (
	fullSlabs   = 0   // no free page
	idleSlabs   = 10  // all pages free
	absentSlabs = 11  // no memory behind it
	numLists    = 12  // how many lists there are
	noList      = 255 // being got or given back

	someFree = (1<<absentSlabs - 1) &^ (1 << fullSlabs) // set of the lists whose slabs have free pages
)

const noSlab = ^uint32(0)

// slab is the bookkeeping of one slab. Guarded by arena.mu.
type slab struct {
	free       [slabWords]uint64 // bit set: page is free, mapped and all zero
	next, prev uint32            // neighbours on the list, noSlab at its ends
	nfree      uint16            // bits set in free
	list       uint8
	locked     bool // mlocked by itself; stays so for good
	writable   bool // not PROT_NONE
	guarded    bool // was writable and is PROT_NONE again
}

// take removes one page from the free ones and returns its place. Preconditions: nfree > 0.
func (s *slab) take() uint32 {
	for w := range s.free {
		if s.free[w] == 0 {
			continue
		}
		place := uint32(w*64 + bits.TrailingZeros64(s.free[w]))
		s.free[w] &= s.free[w] - 1
		s.nfree--
		return place
	}
	panic("memstore: slab has fewer free pages than counted")
}

// put adds one page to the free ones. Preconditions: the page is all zero.
func (s *slab) put(place uint32) {
	bit := uint64(1) << (place % 64)
	if s.free[place/64]&bit != 0 {
		panic("memstore: page freed twice")
	}
	s.free[place/64] |= bit
	s.nfree++
}

// fill marks every one of n pages free. Preconditions: the slab has just come from the kernel.
func (s *slab) fill(n int) {
	for w := range s.free {
		s.free[w] = places(w, n)
	}
	s.nfree = uint16(n)
}

// places returns which bits of word w of a bitmap stand for the first n places.
func places(w, n int) uint64 {
	switch left := n - w*64; {
	case left >= 64:
		return ^uint64(0)
	case left <= 0:
		return 0
	default:
		return 1<<left - 1
	}
}

// drain marks every page as not to be had.
func (s *slab) drain() {
	s.free = [slabWords]uint64{}
	s.nfree = 0
}

// slabChunk is how the table of slabs grows: in steps, without moving, and only as far as the store was ever filled.
type slabChunk [1024]slab

// slabTable is every slab's bookkeeping and the lists they are on. Guarded by arena.mu.
type slabTable struct {
	chunks   []*slabChunk
	made     uint32           // slabs [0, made) exist; the rest were never used
	heads    [numLists]uint32 // first slab of each list
	nonEmpty uint32           // set of lists that are not empty
	lens     [numLists]int
	perSlab  int // immutable; pages of a slab: slabPages, or a few less
}

func newSlabTable(perSlab int) slabTable {
	t := slabTable{perSlab: perSlab}
	for i := range t.heads {
		t.heads[i] = noSlab
	}
	return t
}

func (t *slabTable) at(i uint32) *slab {
	return &t.chunks[i/uint32(len(slabChunk{}))][i%uint32(len(slabChunk{}))]
}

// grow makes the next slab, on no list.
func (t *slabTable) grow() uint32 {
	i := t.made
	if i%uint32(len(slabChunk{})) == 0 {
		t.chunks = append(t.chunks, new(slabChunk))
	}
	t.made++
	t.at(i).list = noList
	return i
}

// link puts a slab that is on no list at the head of one.
func (t *slabTable) link(i uint32, list uint8) {
	s, head := t.at(i), t.heads[list]
	s.list, s.prev, s.next = list, noSlab, head
	if head != noSlab {
		t.at(head).prev = i
	}
	t.heads[list] = i
	t.nonEmpty |= 1 << list
	t.lens[list]++
}

// unlink takes a slab off its list.
func (t *slabTable) unlink(i uint32) {
	s := t.at(i)
	if s.prev == noSlab {
		t.heads[s.list] = s.next
	} else {
		t.at(s.prev).next = s.next
	}
	if s.next != noSlab {
		t.at(s.next).prev = s.prev
	}
	t.lens[s.list]--
	if t.lens[s.list] == 0 {
		t.nonEmpty &^= 1 << s.list
	}
	s.list = noList
}

// relist moves a mapped slab to the list that fits its number of free pages.
func (t *slabTable) relist(i uint32) {
	s := t.at(i)
	if list := t.listOf(s.nfree); list != s.list {
		t.unlink(i)
		t.link(i, list)
	}
}

// listOf returns the list for mapped slabs with that many free pages.
func (t *slabTable) listOf(nfree uint16) uint8 {
	if int(nfree) == t.perSlab {
		return idleSlabs
	}
	return uint8(bits.Len16(nfree))
}

// fullest returns the slab with the fewest free pages, but at least one; noSlab when there is none.
func (t *slabTable) fullest() uint32 {
	lists := t.nonEmpty & someFree
	if lists == 0 {
		return noSlab
	}
	return t.heads[bits.TrailingZeros32(lists)]
}

// pop takes the first slab off a list; noSlab when it is empty.
func (t *slabTable) pop(list uint8) uint32 {
	i := t.heads[list]
	if i != noSlab {
		t.unlink(i)
	}
	return i
}
