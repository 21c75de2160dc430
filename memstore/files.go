package memstore

import (
	"errors"
	"sync/atomic"
)

// FileCost is what a blob in a file counts for beyond its pages: the kernel's inode, directory entry, open file and credentials,
// as /proc/slabinfo has them on Linux 6.18.
const FileCost = 1536

// files are the contents of a store with Config.Files. Whoever was given one of them writes to it without asking, so that it is
// the tmpfs that keeps the limit; what else counts is set aside from its size in advance, a little more than there is at a time,
// since each change of the size costs some 50 microseconds.
type files struct {
	tmpfs *tmpfs   // immutable pointer
	limit int64    // immutable; bytes of everything together, whole pages
	total *account // immutable pointer; atomic

	mu    mutex[filesRank]
	aside atomic.Int64 // written with mu held: bytes that pages may not take, whole pages; never less than total.bytes

	overwritten atomic.Int64 // bytes, ever
	retired     atomic.Bool  // what is given up from now on is kept for close
	before      atomic.Int64 // overwritten at that time
	toWipe      atomic.Int64 // bytes of pages at that time

	kept []file // guarded by mu; given up since
}

func newFiles(limit int64, total *account) (*files, error) {
	limit &^= PageSize - 1
	t, err := newTmpfs(limit)
	if err != nil {
		return nil, err
	}
	return &files{tmpfs: t, limit: limit, total: total}, nil
}

// slack is how much more than need bytes is set aside: so much that small mounts keep their room, and that large ones change the
// size seldom.
func (f *files) slack(need int64) int64 {
	return pageUp(min(max(f.limit/256, PageSize), 64<<10) + need/64)
}

// cover sets aside what is taken of the account, and reports false where pages are in the way.
func (f *files) cover() bool {
	if f.total.bytes.used.Load() <= f.aside.Load() {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	need := pageUp(f.total.bytes.used.Load())
	return need <= f.aside.Load() || f.moveLocked(need+f.slack(need)) || f.moveLocked(need)
}

// moveLocked changes what is set aside, or reports false. Preconditions: mu is held; if it becomes less, nobody believes it to be
// more.
func (f *files) moveLocked(aside int64) bool {
	if aside > f.limit-PageSize || f.tmpfs.resize(f.limit-aside) != nil {
		return false
	}
	f.aside.Store(aside)
	return true
}

// uncover gives back to pages what is set aside needlessly, if it is much. Whoever takes of the account meanwhile either is seen
// here or sees that less is set aside, and waits for mu.
func (f *files) uncover() {
	if f.surplus() <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.surplus() <= 0 {
		return
	}
	before, need := f.aside.Load(), pageUp(f.total.bytes.used.Load())
	aside := need + f.slack(need)
	f.aside.Store(aside)
	if f.total.bytes.used.Load() > aside || !f.moveLocked(aside) {
		f.aside.Store(before)
	}
}

// surplus is by how much more is set aside than is worth a change; negative if it is not.
func (f *files) surplus() int64 {
	need := pageUp(f.total.bytes.used.Load())
	return f.aside.Load() - need - 2*f.slack(need)
}

// discard overwrites a file that was given up and gives it back to the kernel.
func (f *files) discard(file file) {
	n, err := file.empty()
	f.overwritten.Add(n)
	if err != nil {
		panic("memstore: overwriting a file: " + err.Error())
	}
	if !f.retired.Load() {
		file.close()
		return
	}
	f.mu.Lock()
	f.kept = append(f.kept, file)
	f.mu.Unlock()
}

// retire begins the end: what is given up from now on stays open until close, which overwrites what others write to it meanwhile.
func (f *files) retire() {
	if f.retired.CompareAndSwap(false, true) {
		f.before.Store(f.overwritten.Load())
		f.toWipe.Store(f.tmpfs.used())
	}
}

// progress says how many bytes of how many were overwritten since retire.
func (f *files) progress() (done, total Bytes) {
	if !f.retired.Load() {
		return 0, 0
	}
	return Bytes(f.overwritten.Load() - f.before.Load()), Bytes(f.toWipe.Load())
}

// mostRounds bounds how often close overwrites what somebody else goes on writing.
const mostRounds = 10

// errBusy says that somebody else was faster, mostRounds times.
var errBusy = errors.New("memstore: somebody goes on writing")

// close overwrites all files, those in use and those given up, and lets nobody who still has one open write to it.
// Preconditions: nothing else is under way.
func (f *files) close(inUse []file) (err error) {
	all := append(inUse, f.kept...)
	for range mostRounds {
		inParallel(len(all), func(i int) {
			n, _ := all[i].empty() // what is left is seen by seal
			f.overwritten.Add(n)
		})
		if err = f.tmpfs.seal(); err == nil {
			break
		}
	}
	for _, file := range all {
		file.close()
	}
	f.tmpfs.close()
	if err != nil {
		return errors.Join(errBusy, err)
	}
	return nil
}

// pageUp rounds up to whole pages.
func pageUp(n int64) int64 { return pagesFor(n) << pageShift }
