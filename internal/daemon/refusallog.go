package daemon

import (
	"log/slog"
	"sync"
	"time"

	"safetmp/fs"
)

// A burst of refusals is logged in full, a stream of them at this rate.
const (
	refusalBurst     = 20
	refusalPerSecond = 5
)

// refusalLog writes refusals as structured records at a bounded rate, so that a
// workload cannot fill a disk with them. Every refusal is counted all the same.
type refusalLog struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	credit  float64   // guarded by mu: records that may be written now
	last    time.Time // guarded by mu: when credit was computed
	skipped uint64    // guarded by mu: records left out since the last one
}

func newRefusalLog(log *slog.Logger, now func() time.Time) *refusalLog {
	return &refusalLog{log: log, now: now, credit: refusalBurst, last: now()}
}

// add logs a refusal unless the rate is used up.
func (l *refusalLog) add(r fs.Refusal) {
	skipped, ok := l.admit()
	if !ok {
		return
	}
	l.log.Warn("refused", "rule", r.Rule, "op", r.Op, "errno", r.Errno.Error(), "reason", r.Reason,
		"uid", r.UID, "pid", r.PID, "command", r.Command, "let_through", r.Warned, "skipped", skipped)
}

// addCorruption logs contents that fail authentication, at the same rate.
func (l *refusalLog) addCorruption(c fs.Corruption) {
	if skipped, ok := l.admit(); ok {
		l.log.Error("contents were changed in memory, answered EIO", "file", c.File, "page", c.Page, "skipped", skipped)
	}
}

// admit takes one record's credit and says how many were left out before it.
func (l *refusalLog) admit() (skipped uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.credit = min(refusalBurst, l.credit+now.Sub(l.last).Seconds()*refusalPerSecond)
	l.last = now
	if l.credit < 1 {
		l.skipped++
		return 0, false
	}
	l.credit--
	skipped, l.skipped = l.skipped, 0
	return skipped, true
}
