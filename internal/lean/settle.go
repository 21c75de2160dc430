package lean

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settleAfter is how long a process has to do next to nothing before it is made small again.
	settleAfter = 15 * time.Second
	// idleUse is what a process that waits may use of the processor in that time: the looking alone.
	idleUse = 10 * time.Millisecond
)

// Settle shrinks the process each time it comes to rest after work, until done is closed.
func Settle(done <-chan struct{}) {
	ticks := time.NewTicker(settleAfter)
	defer ticks.Stop()
	rest := rest{last: processorTime()}
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
			if rest.begins(processorTime()) {
				Shrink()
				rest.last = processorTime() // shrinking is no work
			}
		}
	}
}

// rest tells from the use of the processor when work has ended.
type rest struct {
	last   time.Duration // use at the last look
	worked bool          // since it was at rest
}

// begins reports whether the process has come to rest since the last look. used is what it has used of the processor.
func (r *rest) begins(used time.Duration) bool {
	idle := used-r.last < idleUse
	began := idle && r.worked
	r.last, r.worked = used, !idle
	return began
}

// processorTime is what this process has used of the processor, see clock_gettime(2); 0 if the kernel does not tell.
func processorTime() time.Duration {
	var used unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used) != nil {
		return 0
	}
	return time.Duration(used.Nano())
}
