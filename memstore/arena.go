package memstore

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// arena hands out pages of one address range that is reserved at once and backed by memory slab by slab. Free pages are always
// all zero: whoever returns one has overwritten it, so nobody who gets one needs to clear it.
//
// Preconditions that the accounting meets: pages handed out, promised or waiting for the wiper never exceed the limit, so a
// promise can fail only when the kernel refuses memory.
type arena struct {
	mem    mapping // immutable; the bytes are guarded by whoever owns the page
	seals  *seals  // immutable pointer; nil unless pages are encrypted
	stride int     // immutable; bytes from one page of a slab to the next
	slabs  int     // immutable; number of slabs in the range
	keep   int     // immutable; idle slabs that trim leaves mapped

	mu       mutex[arenaRank]
	settled  sync.Cond // signalled when a slab that was on no list is on one again
	table    slabTable // guarded by mu
	free     int64     // guarded by mu; pages that are free in mapped slabs
	promised int64     // guarded by mu; the part of free that reserve promised
	moving   int       // guarded by mu; slabs being got or given back
	mapped   int       // guarded by mu; slabs with memory behind them
	idleLow  int       // guarded by mu; fewest idle slabs since the last trim
	guarded  int       // guarded by mu; absent slabs that are PROT_NONE again
	locked   int       // guarded by mu; slabs that are mlocked one by one

	toWipe, wiped atomic.Int64 // bytes, of wipeAll
}

func newArena(cfg Config) (*arena, error) {
	room := Bytes(cfg.perSlab()) * PageSize // for contents, in a slab
	a := &arena{
		stride: cfg.stride(),
		slabs:  int((cfg.Limit + room - 1) / room),
		keep:   cfg.idleSlabs(),
		table:  newSlabTable(cfg.perSlab()),
	}
	a.settled.L = &a.mu
	if err := a.mem.reserve(a.slabs*slabSize, cfg.Lock); err != nil || !cfg.Encrypt {
		return a, err
	}
	var err error
	if a.seals, err = newSeals(a.slabs); err != nil {
		a.mem.unmap()
	}
	return a, err
}

// unmap gives all memory back. Preconditions: nothing uses it.
func (a *arena) unmap() {
	a.mem.unmap()
	a.seals.unmap()
}

// page returns the bytes of a page, and of its tag if there is one.
func (a *arena) page(r pageRef) []byte {
	at := a.at(r)
	return a.mem.bytes[at : at+a.stride : at+a.stride]
}

// at returns where a page begins.
func (a *arena) at(r pageRef) int {
	slab, place := r.slabOf()
	return int(slab)*slabSize + int(place)*a.stride
}

// slab returns the bytes of a slab.
func (a *arena) slab(i uint32) []byte {
	at := int(i) * slabSize
	return a.mem.bytes[at : at+slabSize : at+slabSize]
}

// reserve promises n pages, which fillHoles then hands out without failing. It gets slabs from the kernel as needed, outside
// the lock, since that takes a tenth to half a millisecond each. ErrNoSpace when the kernel refuses; nothing is promised then.
func (a *arena) reserve(n int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.free-a.promised < n {
		if err := a.moreLocked(); err != nil {
			return fmt.Errorf("memstore: the kernel refuses memory within the limit: %w: %w", ErrNoSpace, err)
		}
	}
	a.promised += n
	return nil
}

// moreLocked adds one slab, or waits for one that another goroutine is getting or giving back.
//
// Preconditions: mu is held; it is released and taken again.
func (a *arena) moreLocked() error {
	i := a.table.pop(absentSlabs)
	switch {
	case i != noSlab:
	case int(a.table.made) < a.slabs:
		i = a.table.grow()
	case a.moving > 0:
		a.settled.Wait()
		return nil
	default:
		panic("memstore: more pages accounted for than the range has")
	}
	return a.populateLocked(i)
}

// populateLocked puts memory behind a slab. Preconditions: as moreLocked; the slab is on no list.
func (a *arena) populateLocked(i uint32) error {
	s := a.table.at(i)
	wasLocked, writable := s.locked, s.writable
	a.moving++
	a.mu.Unlock()
	locked, err := a.mem.populate(a.slab(i), writable, wasLocked)
	a.mu.Lock()
	a.moving--
	a.settled.Broadcast()
	if err != nil {
		a.table.link(i, absentSlabs)
		return err
	}
	if locked && !wasLocked {
		s.locked = true
		a.locked++
	}
	if s.guarded {
		s.guarded = false
		a.guarded--
	}
	s.writable = true
	s.fill(a.table.perSlab)
	a.table.link(i, idleSlabs)
	a.free += int64(a.table.perSlab)
	a.mapped++
	return nil
}

// fillHoles replaces every hole in refs by a fresh page, which is all zero. It draws on what reserve promised.
func (a *arena) fillHoles(refs []pageRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, s, n := noSlab, (*slab)(nil), int64(0)
	for k := range refs {
		if refs[k] != hole {
			continue
		}
		if s == nil || s.nfree == 0 {
			a.relistLocked(i)
			i = a.table.fullest()
			s = a.table.at(i)
		}
		refs[k] = pageRef(i*slabPages + s.take() + 1)
		n++
	}
	a.relistLocked(i)
	a.free -= n
	a.promised -= n
}

// release takes pages back and reports whether more slabs are idle than are kept. Preconditions: every page is all zero, and
// refs has no hole.
func (a *arena) release(refs []pageRef) (excess bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := noSlab
	for _, r := range refs {
		i, place := r.slabOf()
		if i != last {
			a.relistLocked(last)
			last = i
		}
		a.table.at(i).put(place)
	}
	a.relistLocked(last)
	a.free += int64(len(refs))
	return a.table.lens[idleSlabs] > a.keep
}

func (a *arena) relistLocked(i uint32) {
	if i == noSlab {
		return
	}
	a.table.relist(i)
	a.idleLow = min(a.idleLow, a.table.lens[idleSlabs])
}

// wipe overwrites pages with zeros, neighbours in one go. The stores go to memory that others may read later, so no compiler
// may leave them out.
func (a *arena) wipe(refs []pageRef) {
	for len(refs) > 0 {
		n := 1
		for n < len(refs) && refs[n] == refs[n-1]+1 && !refs[n].firstOfSlab() {
			n++
		}
		at := a.at(refs[0])
		clear(a.mem.bytes[at : at+n*a.stride])
		a.seals.forget(refs[0], n)
		refs = refs[n:]
	}
}

// trim gives idle slabs back to the kernel: those beyond the kept ones that were idle since the previous trim, so that a
// workload which fills and empties files again and again does not pay for its memory each time. It reports whether slabs
// remain that a later trim may give back.
func (a *arena) trim() (more bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dropIdleLocked(a.idleLow-a.keep, a.keep) {
		return false
	}
	a.idleLow = a.table.lens[idleSlabs]
	return a.idleLow > a.keep
}

// giveBack gives every idle slab back to the kernel, as far as nothing is promised from it.
func (a *arena) giveBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropIdleLocked(a.table.lens[idleSlabs], 0)
	a.idleLow = a.table.lens[idleSlabs]
}

// dropIdleLocked gives up to n idle slabs back as long as more than keep are idle, and reports whether the kernel took them.
//
// Preconditions: mu is held; it is released and taken again.
func (a *arena) dropIdleLocked(n, keep int) bool {
	for ; n > 0 && a.table.lens[idleSlabs] > keep && a.free-a.promised >= int64(a.table.perSlab); n-- {
		if !a.dropLocked(a.table.pop(idleSlabs)) {
			return false
		}
	}
	return true
}

// maxGuarded bounds how many absent slabs are made inaccessible again. Each may split a mapping in two, and a process has only
// vm.max_map_count of them (65530 by default, proc_sys_vm(5)).
const maxGuarded = 8192

// dropLocked gives the memory of an idle slab back and reports whether the kernel took it.
//
// Preconditions: mu is held, it is released and taken again; the slab is on no list.
func (a *arena) dropLocked(i uint32) bool {
	s := a.table.at(i)
	guard, locked := a.guarded < maxGuarded, s.locked
	s.drain()
	a.free -= int64(a.table.perSlab)
	a.moving++
	a.mu.Unlock()
	guarded, err := a.mem.drop(a.slab(i), locked, guard)
	a.seals.drop(i)
	a.mu.Lock()
	a.moving--
	a.settled.Broadcast()
	if err != nil { // still mapped and still all zero
		s.fill(a.table.perSlab)
		a.free += int64(a.table.perSlab)
		a.table.link(i, idleSlabs)
		return false
	}
	a.mapped--
	if guarded {
		s.writable, s.guarded = false, true
		a.guarded++
	}
	a.table.link(i, absentSlabs)
	return true
}

// wipeAll overwrites every mapped slab, whole and on all processors, and returns how many bytes that was. Preconditions:
// nothing else uses the arena.
func (a *arena) wipeAll() Bytes {
	a.mu.Lock()
	defer a.mu.Unlock()
	var mapped []uint32
	for i := range a.table.made {
		if a.table.at(i).list != absentSlabs {
			mapped = append(mapped, i)
		}
	}
	a.toWipe.Store(int64(len(mapped)) * slabSize)
	inParallel(len(mapped), func(k int) {
		clear(a.slab(mapped[k]))
		a.wiped.Add(slabSize)
	})
	return Bytes(len(mapped)) * slabSize
}

// resident returns the bytes of all mapped slabs.
func (a *arena) resident() Bytes {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Bytes(a.mapped) * slabSize
}

// lockState says whether the whole range is locked, how much of it is, and why not all.
func (a *arena) lockState() (all bool, locked Bytes, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mem.wholeLocked {
		return true, Bytes(len(a.mem.bytes)), ""
	}
	return false, Bytes(a.locked) * slabSize, a.mem.lockReason
}
