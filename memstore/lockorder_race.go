//go:build race

package memstore

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// mutex is sync.Mutex and panics when it is locked out of order.
type mutex[R rank] struct{ m sync.Mutex }

func (l *mutex[R]) Lock()   { acquire[R](); l.m.Lock() }
func (l *mutex[R]) Unlock() { l.m.Unlock(); surrender[R]() }

// rwMutex is sync.RWMutex and panics when it is locked out of order.
type rwMutex[R rank] struct{ m sync.RWMutex }

func (l *rwMutex[R]) Lock()    { acquire[R](); l.m.Lock() }
func (l *rwMutex[R]) Unlock()  { l.m.Unlock(); surrender[R]() }
func (l *rwMutex[R]) RLock()   { acquire[R](); l.m.RLock() }
func (l *rwMutex[R]) RUnlock() { l.m.RUnlock(); surrender[R]() }

// held maps a goroutine's number to the ranks it holds, a []int that only that goroutine touches.
var held sync.Map

func acquire[R rank]() {
	var r R
	id := goroutine()
	v, _ := held.Load(id)
	ranks, _ := v.([]int)
	if len(ranks) > 0 && slices.Max(ranks) >= r.rank() {
		panic(fmt.Sprintf("memstore: lock of rank %d taken while holding %v", r.rank(), ranks))
	}
	held.Store(id, append(ranks, r.rank()))
}

func surrender[R rank]() {
	var r R
	id := goroutine()
	v, _ := held.Load(id)
	ranks, _ := v.([]int)
	i := slices.Index(ranks, r.rank())
	if i < 0 {
		panic(fmt.Sprintf("memstore: lock of rank %d given up by a goroutine that does not hold it", r.rank()))
	}
	if ranks = slices.Delete(ranks, i, i+1); len(ranks) == 0 {
		held.Delete(id)
		return
	}
	held.Store(id, ranks)
}

// goroutine returns the running goroutine's number, from the first line of its trace: "goroutine 7 [running]:".
func goroutine() int64 {
	var buf [32]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	id, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		panic("memstore: unexpected trace: " + err.Error())
	}
	return id
}
