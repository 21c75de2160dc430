package lean

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settleAfter is how long a process has to do next to nothing before it is made small again.
	settleAfter = 15 * time.Second
	// idleUse is what a process that waits may use of the processor in that time: the looking alone.
	idleUse = 10 * time.Millisecond
	// filesMost is how much of files, in bytes, may be in memory at rest. More comes back as the runtime collects, every two
	// minutes, and with one page up to 2 MiB of its neighbours.
	filesMost = 7 << 20
)

// Settle shrinks the process each time it comes to rest after work, until done is closed; starting counts as work. Before
// that it calls giveBack, for memory that the process manages by itself. Pages of files that come back at rest are given back.
func Settle(done <-chan struct{}, giveBack func()) {
	ticks := time.NewTicker(settleAfter)
	defer ticks.Stop()
	rest := rest{last: processorTime(), worked: true}
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
			switch rest.look(processorTime(), filePages()) {
			case restBegins:
				giveBack()
				Shrink()
			case pagesCameBack:
				dropFilePages()
			default:
				continue
			}
			rest.last = processorTime() // shrinking is no work
		}
	}
}

// rest tells from the use of the processor when work has ended.
type rest struct {
	last   time.Duration // use at the last look
	worked bool          // since it was at rest
}

// change is what a look has found.
type change int

const (
	nothing       change = iota
	restBegins           // work has ended since the last look
	pagesCameBack        // although there was no work
)

// look tells what has changed since the last look. used is what the process has used of the processor, files how many bytes
// of files it has in memory.
func (r *rest) look(used time.Duration, files int64) change {
	idle, worked := used-r.last < idleUse, r.worked
	r.last, r.worked = used, !idle
	switch {
	case idle && worked:
		return restBegins
	case idle && files > filesMost:
		return pagesCameBack
	}
	return nothing
}

// processorTime is what this process has used of the processor, see clock_gettime(2); 0 if the kernel does not tell.
func processorTime() time.Duration {
	var used unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used) != nil {
		return 0
	}
	return time.Duration(used.Nano())
}

// filePages is how many bytes of files this process has in memory, see proc_pid_statm(5); 0 if the kernel does not tell. It
// looks without package os, which would bring pages of the program in that nothing else at rest needs.
func filePages() int64 {
	fd, err := unix.Open("/proc/self/statm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var text [128]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return 0
	}
	return thirdField(text[:n]) * int64(os.Getpagesize())
}

// thirdField is the third number of a line, 0 if there is none.
func thirdField(line []byte) (number int64) {
	field := 0
	for _, c := range line {
		switch {
		case c == ' ':
			field++
		case field == 2 && c >= '0' && c <= '9':
			number = number*10 + int64(c-'0')
		}
	}
	return number
}
