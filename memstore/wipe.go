package memstore

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// syncPages is up to how many pages are overwritten by whoever frees them: 1 MiB, some 80 microseconds. More goes to
	// the wiper, in chunks of a leaf (2 MiB at most).
	syncPages = 256

	// chunksPerWorker is how many chunks are worth another processor: 8 MiB, well over half a millisecond of work.
	chunksPerWorker = 4

	// trimDelay is how long idle slabs wait before they may go back to the kernel.
	trimDelay = 250 * time.Millisecond
)

// chunk is what nobody can reach any more and what still holds contents: one leaf of a page table cut off a blob, or a file.
type chunk struct {
	refs  []pageRef // no holes
	owner *account
	bytes int64 // what it counts for: its pages and the leaf itself

	isFile bool // instead of pages; bytes is what the file counts for beside those that it has
	file   file
	held   int64 // bytes of them, which the tmpfs counts
}

// wiper overwrites freed pages and only then lets them, and the space they count for, be used again. One goroutine works on
// the queue, with help of others while it is long; whoever needs the space at once works along (help).
type wiper struct {
	arena *arena   // immutable pointer
	files *files   // immutable pointer; may be nil
	total *account // immutable pointer; atomic

	mu       mutex[wiperRank]
	finished sync.Cond // signalled when a chunk is finished
	queue    []chunk   // guarded by mu; order does not matter
	busy     int       // guarded by mu; chunks taken off the queue and not finished

	wake     chan struct{} // holds one token: the queue or the idle slabs want attention
	trimming atomic.Bool   // the goroutine knows of idle slabs in excess
	stop     chan struct{}
	stopped  chan struct{}
}

func newWiper(a *arena, f *files, total *account) *wiper {
	w := &wiper{
		arena: a, files: f, total: total,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	w.finished.L = &w.mu
	go w.run()
	return w
}

// run works on the queue and gives idle slabs back, until close.
func (w *wiper) run() {
	defer close(w.stopped)
	var trim <-chan time.Time // nil while no slab is to be given back
	for {
		select {
		case <-w.stop:
			return
		case <-w.wake:
			w.workOff()
			if trim == nil && w.trimming.Load() {
				trim = time.After(trimDelay)
			}
		case <-trim:
			trim = nil
			w.trimming.Store(false)
			if w.arena.trim() {
				w.trimSoon()
			}
		}
	}
}

// workOff finishes chunks until none waits or the wiper is closed, on as many processors as there are chunks for.
func (w *wiper) workOff() {
	w.mu.Lock()
	workers := min(len(w.queue)/chunksPerWorker, runtime.GOMAXPROCS(0))
	w.mu.Unlock()
	inParallel(max(workers, 1), func(int) { w.workAlong() })
}

// workAlong is workOff for one processor.
func (w *wiper) workAlong() {
	for w.work() {
		select {
		case <-w.stop:
			return
		default:
		}
	}
}

// wakeUp makes run look at the queue and the idle slabs. It never blocks.
func (w *wiper) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// trimSoon asks run to give idle slabs back after a delay, once for all requests until it has.
func (w *wiper) trimSoon() {
	if w.trimming.CompareAndSwap(false, true) {
		w.wakeUp()
	}
}

// add takes chunks over. From here on they count as wiping, and their space as used until they are done.
func (w *wiper) add(chunks []chunk) {
	for _, c := range chunks {
		c.owner.wiping.Add(c.bytes + c.held)
		w.total.wiping.Add(c.bytes + c.held)
	}
	w.mu.Lock()
	w.queue = append(w.queue, chunks...)
	w.mu.Unlock()
	w.wakeUp()
}

// take takes one chunk off the queue. ok is false when it is empty.
func (w *wiper) take() (c chunk, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.queue) - 1
	if last < 0 {
		w.queue = nil // a queue that was once long does not stay in the heap
		return chunk{}, false
	}
	c, w.queue[last] = w.queue[last], chunk{}
	w.queue = w.queue[:last]
	w.busy++
	return c, true
}

// work finishes one chunk and reports whether there was one.
func (w *wiper) work() bool {
	c, ok := w.take()
	if !ok {
		return false
	}
	if c.isFile {
		w.files.discard(c.file)
	} else {
		w.discard(c.refs)
	}
	c.owner.bytes.give(c.bytes)
	w.total.bytes.give(c.bytes)
	c.owner.wiping.Add(-c.bytes - c.held)
	w.total.wiping.Add(-c.bytes - c.held)
	w.mu.Lock()
	w.busy--
	w.finished.Broadcast()
	w.mu.Unlock()
	return true
}

// help makes some progress on what waits to be overwritten: it finishes a chunk, or waits until another goroutine has
// finished one. It reports false when nothing waits.
func (w *wiper) help() bool {
	if w.work() {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy == 0 {
		return len(w.queue) > 0
	}
	w.finished.Wait()
	return true
}

// takeBytes takes n bytes of an account, or nothing and reports false. While freed pages of the account still wait to be overwritten
// it helps the wiper and tries again, so that deleting and then writing never fails for want of time.
//
// Whether something waits is read before the attempt: the wiper gives bytes back before it lowers the wiping count, so a
// failure after reading zero is a true one.
func (w *wiper) takeBytes(a *account, n int64) bool {
	return w.untilDone(a, func() bool { return a.bytes.take(n) })
}

// untilDone is takeBytes for whatever take tries to take.
func (w *wiper) untilDone(a *account, take func() bool) bool {
	for {
		waits := a.wiping.Load() > 0
		if take() {
			return true
		}
		if !waits {
			return false
		}
		w.help()
	}
}

// discard overwrites pages and returns them to the arena.
func (w *wiper) discard(refs []pageRef) {
	w.arena.wipe(refs)
	if w.arena.release(refs) {
		w.trimSoon()
	}
}

// close ends run. What is still queued is left to arena.wipeAll, which overwrites everything.
func (w *wiper) close() {
	close(w.stop)
	<-w.stopped
}

// inParallel calls do(0) to do(n-1), on all processors, and returns when all are done.
func inParallel(n int, do func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for k := int(next.Add(1)) - 1; k < n; k = int(next.Add(1)) - 1 {
				do(k)
			}
		})
	}
	wg.Wait()
}
