//go:build safetmp_lockcheck

package fs

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync"
)

// held counts, per goroutine, how many locks of each rank it holds.
var held = struct {
	mu    sync.Mutex
	ranks map[int64]map[int]int
}{ranks: map[int64]map[int]int{}}

// goroutineID reads the number from the first line of the stack, the only
// place where the runtime shows it.
func goroutineID() int64 {
	var buf [64]byte
	line := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	id, err := strconv.ParseInt(string(line[:bytes.IndexByte(line, ' ')]), 10, 64)
	if err != nil {
		panic("fs: unreadable goroutine number: " + err.Error())
	}
	return id
}

// acquire panics if a lock of a higher rank, or of the same one where only one
// may be held, is held already.
func acquire(rank int) {
	id := goroutineID()
	held.mu.Lock()
	defer held.mu.Unlock()
	mine := held.ranks[id]
	if mine == nil {
		mine = map[int]int{}
		held.ranks[id] = mine
	}
	for have, n := range mine {
		if n > 0 && (have > rank || have == rank && rank != rankDirectory) {
			panic(fmt.Sprintf("fs: lock of rank %d taken while holding rank %d", rank, have))
		}
	}
	mine[rank]++
}

func release(rank int) {
	id := goroutineID()
	held.mu.Lock()
	defer held.mu.Unlock()
	held.ranks[id][rank]--
	for _, n := range held.ranks[id] {
		if n != 0 {
			return
		}
	}
	delete(held.ranks, id)
}

// mustHoldNone panics if the calling goroutine holds a lock.
func mustHoldNone() {
	id := goroutineID()
	held.mu.Lock()
	defer held.mu.Unlock()
	if n := len(held.ranks[id]); n != 0 {
		panic(fmt.Sprintf("fs: waiting with locks of %d ranks held", n))
	}
}

// rankedMutex is a sync.Mutex that checks the lock order.
type rankedMutex struct {
	mu   sync.Mutex
	rank int
}

func (m *rankedMutex) setRank(rank int) { m.rank = rank }

func (m *rankedMutex) Lock()   { acquire(m.rank); m.mu.Lock() }
func (m *rankedMutex) Unlock() { m.mu.Unlock(); release(m.rank) }

// rankedRWMutex is a sync.RWMutex that checks the lock order.
type rankedRWMutex struct {
	mu   sync.RWMutex
	rank int
}

func (m *rankedRWMutex) setRank(rank int) { m.rank = rank }

func (m *rankedRWMutex) Lock()    { acquire(m.rank); m.mu.Lock() }
func (m *rankedRWMutex) Unlock()  { m.mu.Unlock(); release(m.rank) }
func (m *rankedRWMutex) RLock()   { acquire(m.rank); m.mu.RLock() }
func (m *rankedRWMutex) RUnlock() { m.mu.RUnlock(); release(m.rank) }
