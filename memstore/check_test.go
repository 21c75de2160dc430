package memstore

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each contradiction planted here must be found: a check that cannot fail proves nothing.
func TestCheckFindsContradictions(t *testing.T) {
	for want, plant := range map[string]func(s *Store, b *Blob){
		"number of pages of a blob is kept as 701": func(s *Store, b *Blob) { b.pages.Add(1) },
		"size of a page table":                     func(s *Store, b *Blob) { b.table.bytes++ },
		"without pages is listed": func(s *Store, b *Blob) {
			empty := s.NewBlob(0)
			s.live.add(empty)
		},
		"a leaf without pages":            func(s *Store, b *Blob) { clear(b.table.root.dir[1].leaf) },
		"a directory without pages":       func(s *Store, b *Blob) { b.table.root.dir[5].dir = new([fanOut]node); b.table.height = 2 },
		"slab 4095, which was never used": func(s *Store, b *Blob) { leafOf(b)[0] = pageRef(4096 * slabPages) },
		"is used twice":                   func(s *Store, b *Blob) { leafOf(b)[0] = leafOf(b)[1] },
		"is not zero beyond its size":     func(s *Store, b *Blob) { b.size.Add(-10) },
		"both free and used":              func(s *Store, b *Blob) { s.arena.table.at(1).free[0] |= 1 },
		"neither free nor used":           func(s *Store, b *Blob) { s.arena.table.at(0).take() },
		"free but not zero":               func(s *Store, b *Blob) { s.arena.slab(0)[slabSize-1] = 1 },
		"number of free pages is":         func(s *Store, b *Blob) { s.arena.free++ },
		"number of free pages of a slab":  func(s *Store, b *Blob) { s.arena.table.at(0).nfree++ },
		"number of mapped slabs":          func(s *Store, b *Blob) { s.arena.mapped++ },
		"number of locked slabs":          func(s *Store, b *Blob) { s.arena.locked++ },
		"number of guarded slabs":         func(s *Store, b *Blob) { s.arena.guarded++ },
		"number of promised pages":        func(s *Store, b *Blob) { s.arena.promised++ },
		"has pages but no memory":         func(s *Store, b *Blob) { s.arena.table.unlink(0); s.arena.table.link(0, absentSlabs) },
		"mapped but not writable":         func(s *Store, b *Blob) { s.arena.table.at(0).writable = false },
		"is on list 0 wrongly":            func(s *Store, b *Blob) { s.arena.table.unlink(0); s.arena.table.link(0, fullSlabs) },
		"length of a list of slabs":       func(s *Store, b *Blob) { s.arena.table.lens[idleSlabs]++ },
		"is marked wrongly":               func(s *Store, b *Blob) { s.arena.table.nonEmpty ^= 1 << idleSlabs },
		"number of slabs is":              func(s *Store, b *Blob) { s.arena.table.unlink(0) },
		"bytes of an owner is":            func(s *Store, b *Blob) { b.owner.bytes.used.Add(1) },
		"bytes of an owner to be":         func(s *Store, b *Blob) { b.owner.wiping.Add(1) },
		"bytes of the store is":           func(s *Store, b *Blob) { s.total.bytes.used.Add(1) },
		"bytes of the store to be":        func(s *Store, b *Blob) { s.total.wiping.Add(1) },
		"metadata of the store":           func(s *Store, b *Blob) { s.total.meta.Add(1) },
		"inodes of the store":             func(s *Store, b *Blob) { s.total.inodes.used.Add(1) },
	} {
		t.Run(want, func(t *testing.T) {
			s, err := New(Config{Limit: 64 << 20})
			require.NoError(t, err)
			defer s.Close()
			b := s.NewBlob(3)
			src := make([]byte, 700*PageSize)
			for i := range src {
				src[i] = 1
			}
			_, err = b.WriteAt(src, 0)
			require.NoError(t, err)
			require.NoError(t, s.Check())
			plant(s, b)
			assert.ErrorContains(t, s.Check(), want)
		})
	}
}

func leafOf(b *Blob) []pageRef { return b.table.root.dir[0].leaf }

func TestCheckReportIsBounded(t *testing.T) {
	s, err := New(Config{Limit: 64 << 20})
	require.NoError(t, err)
	defer s.Close()
	b := s.NewBlob(0)
	require.NoError(t, b.Allocate(0, 1<<20, false))
	for i := range b.table.root.leaf {
		b.table.root.leaf[i] = b.table.root.leaf[0]
	}
	found := s.Check().(interface{ Unwrap() []error }).Unwrap()
	assert.Len(t, found, maxFindings)
}
