package memstore

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testArena(t *testing.T, slabs int) *arena {
	a, err := newArena(Config{Limit: Bytes(slabs) * slabSize, Lock: LockNever, IdleSlabs: -1})
	require.NoError(t, err)
	t.Cleanup(func() { a.mem.unmap() })
	return a
}

func allocate(t *testing.T, a *arena, n int) []pageRef {
	t.Helper()
	require.NoError(t, a.reserve(int64(n)))
	refs := make([]pageRef, n)
	a.fillHoles(refs)
	return refs
}

func TestRangeBeginsOnASlab(t *testing.T) {
	a := testArena(t, 3)
	assert.Len(t, a.mem.bytes, 3*slabSize)
	assert.Zero(t, addressOf(a.mem.bytes)%slabSize)
}

func TestPagesAreHandedOutOnceAndInOrder(t *testing.T) {
	a := testArena(t, 2)
	refs := allocate(t, a, 2*slabPages)
	seen := map[pageRef]bool{hole: true}
	for i, r := range refs {
		require.False(t, seen[r], "page %d", r)
		seen[r] = true
		if i%slabPages != 0 {
			require.Equal(t, refs[i-1]+1, r, "neighbours, so that they are overwritten in one go")
		}
	}
}

func TestFullerSlabsAreUsedFirst(t *testing.T) {
	a := testArena(t, 3)
	refs := allocate(t, a, 3*slabPages)
	full, half, empty := refs[:slabPages], refs[slabPages:2*slabPages], refs[2*slabPages:]
	a.release(full[10:20])
	a.release(half[:300])
	a.release(empty)
	want := slices.Concat(full[10:20], half[:300], empty)
	assert.Equal(t, want, allocate(t, a, len(want)))
}

func TestTrimGivesBackWhatWasIdleForAWhile(t *testing.T) {
	a := testArena(t, 4)
	refs := allocate(t, a, 4*slabPages)
	assert.True(t, a.release(refs), "more is idle than is kept")
	assert.True(t, a.trim(), "idle only since now")
	assert.EqualValues(t, 4*slabSize, a.resident())
	kept := allocate(t, a, 1)
	assert.False(t, a.trim(), "three were idle all the time")
	assert.EqualValues(t, slabSize, a.resident())
	assert.Equal(t, 3, a.guarded)
	again := allocate(t, a, 4*slabPages-1)
	assert.EqualValues(t, 4*slabSize, a.resident())
	assert.Zero(t, a.guarded)
	for _, r := range again {
		assert.True(t, isZero(a.page(r)))
	}
	a.release(kept)
	a.release(again)
}

// The last slab may be on its way back to the kernel when somebody is entitled to it.
func TestReserveWaitsForASlabThatIsMoving(t *testing.T) {
	a := testArena(t, 1)
	a.release(allocate(t, a, 1))
	a.mu.Lock()
	i := a.table.pop(idleSlabs)
	a.table.at(i).drain()
	a.free, a.mapped, a.moving = 0, 0, 1
	a.mu.Unlock()
	done := make(chan error)
	go func() { done <- a.reserve(1) }()
	select {
	case <-done:
		t.Fatal("reserve did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	a.mu.Lock()
	a.moving = 0
	a.table.link(i, absentSlabs)
	a.settled.Broadcast()
	a.mu.Unlock()
	require.NoError(t, <-done)
	assert.EqualValues(t, 1, a.promised)
}

func TestMorePagesThanAccountedForPanic(t *testing.T) {
	a := testArena(t, 1)
	assert.Panics(t, func() { _ = a.reserve(slabPages + 1) })
}

func TestTrimLeavesWhatIsPromised(t *testing.T) {
	a := testArena(t, 2)
	a.release(allocate(t, a, 2*slabPages))
	a.trim()
	require.NoError(t, a.reserve(slabPages+1))
	a.trim()
	refs := make([]pageRef, slabPages+1)
	a.fillHoles(refs)
	assert.NotContains(t, refs, hole)
}

func TestFreeingAPageTwicePanics(t *testing.T) {
	a := testArena(t, 1)
	refs := allocate(t, a, 1)
	a.release(refs)
	assert.PanicsWithValue(t, "memstore: page freed twice", func() { a.release(refs) })
}

func TestWipeAllOverwritesEverySlab(t *testing.T) {
	a := testArena(t, 5)
	refs := allocate(t, a, 3*slabPages)
	for _, r := range refs {
		copy(a.page(r), "left behind")
	}
	assert.EqualValues(t, 3*slabSize, a.wipeAll())
	assert.Zero(t, bytes.Count(a.mem.bytes[:3*slabSize], []byte("left")))
}

func TestTouchMakesMemoryWithoutMadvise(t *testing.T) {
	a := testArena(t, 1)
	allocate(t, a, 1)
	_, err := a.mem.drop(a.slab(0), false, false)
	require.NoError(t, err)
	require.Zero(t, residentPages(t, a.slab(0)))
	touch(a.slab(0))
	assert.Equal(t, slabPages, residentPages(t, a.slab(0)))
}
