package daemon

import (
	"log/slog"
	"runtime"
	"sync"
	"time"

	"safetmp/fs"
	"safetmp/internal/fuseconn"
	"safetmp/internal/sessions"
)

// How often the reaper looks. Entries go at most this much after their time.
const (
	leastPause  = 10 * time.Millisecond
	mostPause   = 5 * time.Second
	pausesInTTL = 20
	sessionTime = 500 * time.Millisecond // between two looks at sessions
)

// reaper is the clock of lifetimes: it has the filesystem remove what is over. A
// nil reaper is that of a mount without lifetimes.
type reaper struct {
	pause    time.Duration     // immutable
	sessions *sessions.Tracker // immutable
	tell     func(fs.Lifetime, fs.Removal)

	stop, stopped chan struct{}
	started       bool

	mu      sync.Mutex
	removed map[fs.Lifetime]fs.Removal // guarded by mu: since the last record in the log
}

// lifetimes makes the reaper, where the options ask for it, and returns what the
// filesystem is to know.
func (d *Daemon) lifetimes() fs.Lifetimes {
	l := fs.Lifetimes{TTL: d.opts.TTL, DeleteOnClose: d.opts.DeleteOnClose, OwnerExit: d.opts.OwnerExit}
	if !l.Any() {
		return l
	}
	r := &reaper{
		pause: pauseFor(d.opts.TTL, d.opts.OwnerExit), sessions: sessions.New(), tell: d.tellRemoved,
		stop: make(chan struct{}), stopped: make(chan struct{}), removed: map[fs.Lifetime]fs.Removal{},
	}
	d.reaper = r
	l.Sessions, l.Removed = r.sessions, r.note
	return l
}

// pauseFor is a small part of the time to live, within bounds.
func pauseFor(ttl time.Duration, sessions bool) time.Duration {
	pause := mostPause
	if ttl > 0 {
		pause = max(leastPause, min(pause, ttl/pausesInTTL))
	}
	if sessions {
		pause = min(pause, sessionTime)
	}
	return pause
}

// start begins to look, until end.
func (r *reaper) start(f *fs.FS) {
	if r == nil {
		return
	}
	r.started = true
	go r.run(f)
}

func (r *reaper) run(f *fs.FS) {
	defer close(r.stopped)
	runtime.LockOSThread() // for good: names pass through its registers
	tick := time.NewTicker(r.pause)
	defer tick.Stop()
	var polled time.Time
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
		}
		if time.Since(polled) >= sessionTime-leastPause {
			r.sessions.Poll()
			polled = time.Now()
		}
		f.Sweep(r.stop)
		fuseconn.ScrubThread()
		r.log()
	}
}

// end stops looking; no removal is under way when it returns.
func (r *reaper) end() {
	if r == nil || !r.started {
		return
	}
	close(r.stop)
	<-r.stopped
}

// note adds a removal to the next record.
func (r *reaper) note(removal fs.Removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.removed[removal.Rule]
	sum.Entries += removal.Entries
	sum.Bytes += removal.Bytes
	r.removed[removal.Rule] = sum
}

// log writes one record for each rule that removed something since the last
// time: no names, no contents, and never more often than the reaper looks.
func (r *reaper) log() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for rule, sum := range r.removed {
		slog.Info("removed", "lifetime", rule, "entries", sum.Entries, "bytes", sum.Bytes)
		r.tell(rule, sum)
	}
	clear(r.removed)
}
