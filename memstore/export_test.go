package memstore

// What the tests in package memstore_test may see of the inside.

import "bytes"

// SlabSize is the unit in which memory comes from and goes back to the kernel.
const SlabSize = slabSize

// SyncPages is up to how many pages are overwritten by whoever frees them.
const SyncPages = syncPages

// Mapped calls visit for the bytes of every slab that has memory behind it.
func (s *Store) Mapped(visit func(slab []byte)) {
	s.arena.mu.Lock()
	defer s.arena.mu.Unlock()
	for i := range s.arena.table.made {
		if l := s.arena.table.at(i).list; l != absentSlabs && l != noList {
			visit(s.arena.slab(i))
		}
	}
}

// Copies counts the copies of marker in the arena.
func (s *Store) Copies(marker []byte) int {
	n := 0
	s.Mapped(func(slab []byte) { n += bytes.Count(slab, marker) })
	return n
}

// WaitWiped returns when nothing waits to be overwritten.
func (s *Store) WaitWiped() {
	for s.wiper.help() {
	}
}

// Range returns the whole address range, of which only mapped slabs may be touched.
func (s *Store) Range() []byte { return s.arena.mem.bytes }

// StopWiper ends the background goroutine: what is queued stays queued until somebody helps.
func (s *Store) StopWiper() {
	s.wiper.close()
	s.wiper.stop = make(chan struct{}) // for Close
}
