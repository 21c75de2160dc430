package memstore

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNodeSizes(t *testing.T) {
	assert.EqualValues(t, dirBytes, unsafe.Sizeof([fanOut]node{}))
	assert.EqualValues(t, refBytes, unsafe.Sizeof(hole))
	assert.LessOrEqual(t, unsafe.Sizeof(Blob{}), uintptr(128), "one blob per file: ten million of them should fit")
}

func TestLeafCap(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 4, 4: 4, 5: 8, 8: 8, 9: 16, 257: 512, 512: 512} {
		assert.Equal(t, want, leafCap(n), n)
	}
}

func TestHeightFor(t *testing.T) {
	for i, want := range map[int64]uint8{0: 0, 1: 0, 511: 0, 512: 1, 1<<18 - 1: 1, 1 << 18: 2, 1<<27 - 1: 2, 1 << 27: 3, maxPages - 1: 5} {
		assert.Equal(t, want, heightFor(i), i)
		assert.Less(t, i, span(heightFor(i)), "a tree of that height reaches the page")
	}
}

// missing is the price, paid before anything is made: it must be exact whatever exists already.
func TestMissingIsWhatIsMade(t *testing.T) {
	for _, first := range [][2]int64{{0, 1}, {0, 512}, {511, 513}, {1 << 18, 1<<18 + 3}, {1 << 40, 1<<40 + 1}, {maxPages - 1, maxPages}} {
		for _, second := range [][2]int64{{0, 1}, {0, 2000}, {3, 600}, {1<<18 - 5, 1<<18 + 1000}, {1 << 30, 1<<30 + 513}, {1<<40 - 1, 1<<40 + 2}} {
			var tab table
			next := pageRef(1)
			for _, r := range [][2]int64{first, second} {
				bytes, pages := tab.missing(r[0], r[1])
				before := tab.bytes
				made := makePages(&tab, r[0], r[1], &next)
				assert.Equal(t, made, pages, "%v then %v", first, second)
				assert.Equal(t, tab.bytes-before, bytes, "%v then %v", first, second)
				again, none := tab.missing(r[0], r[1])
				assert.Zero(t, again)
				assert.Zero(t, none)
			}
		}
	}
}

// makePages makes the pages [from, to) and returns how many were missing.
func makePages(tab *table, from, to int64, next *pageRef) (made int64) {
	tab.raise(to - 1)
	for base := from &^ (fanOut - 1); base < to; base += fanOut {
		lo, hi := clip(base, from, to)
		leaf := tab.leafFor(base, hi)
		for k := lo; k < hi; k++ {
			if leaf[k] == hole {
				leaf[k] = *next
				*next++
				made++
			}
		}
	}
	return made
}

func TestCutGivesEverythingBack(t *testing.T) {
	var tab table
	next := pageRef(1)
	made := makePages(&tab, 0, 1, &next) + makePages(&tab, 600, 700, &next) + makePages(&tab, 1<<40, 1<<40+600, &next)
	bytes := tab.bytes
	var pages, back int64
	cut := func(from, to int64) {
		before := pages
		n, dirs := tab.cut(from, to, func(refs []pageRef, n int64) {
			assert.NotContains(t, refs, hole)
			pages += int64(len(refs))
			back += n - int64(len(refs))*PageSize
		})
		assert.Equal(t, pages-before, n)
		back += dirs
	}
	for _, r := range [][2]int64{{650, 651}, {1<<40 + 5, 1 << 41}, {100, 660}} {
		cut(r[0], r[1])
	}
	require.False(t, tab.root.empty())
	assert.Equal(t, made-pages, countPages(&tab))
	cut(0, maxPages)
	assert.True(t, tab.root.empty())
	assert.Zero(t, tab.bytes)
	assert.Zero(t, tab.height)
	assert.Equal(t, made, pages)
	assert.Equal(t, bytes, back)
}

// countPages counts the pages of a table by seeking from each to the next.
func countPages(tab *table) (n int64) {
	for i := tab.seek(0, maxPages, true); i < maxPages; i = tab.seek(i+1, maxPages, true) {
		n++
	}
	return n
}

func TestTreeGetsLowerAgain(t *testing.T) {
	var tab table
	next := pageRef(1)
	makePages(&tab, 0, 10, &next)
	makePages(&tab, 1<<40, 1<<40+1, &next)
	require.EqualValues(t, 4, tab.height)
	tab.cut(1<<40, 1<<40+1, func([]pageRef, int64) {})
	assert.Zero(t, tab.height)
	assert.Equal(t, leafBytes(10), tab.bytes)
}
