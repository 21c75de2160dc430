package sandbox

import (
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that F hands on to the command.
var forwarded = []unix.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH,
	unix.SIGTSTP, unix.SIGCONT,
}

// ignoredAtBirth are SIGHUP and SIGINT where the caller ignored them, as nohup(1) and a shell's background jobs do.
// It is read before main may ask for them, which ends that.
var ignoredAtBirth = slices.DeleteFunc([]unix.Signal{unix.SIGHUP, unix.SIGINT},
	func(s unix.Signal) bool { return !signal.Ignored(s) })

// ignoredByCaller lists the signals that the caller ignores and that the command is to ignore as well. Of the signals
// that the Go runtime handles it knows SIGHUP and SIGINT only; of the others, such as the stop signals, all.
func ignoredByCaller() []unix.Signal {
	ignored := slices.Clone(ignoredAtBirth)
	bits := signalMask("SigIgn")
	for s := unix.Signal(1); s <= 64; s++ {
		if bits&bit(s) != 0 && !slices.Contains(ignored, s) {
			ignored = append(ignored, s)
		}
	}
	return ignored
}

// pending reports whether a signal was sent to this process and no thread has taken it yet.
func pending(s unix.Signal) bool { return signalMask("ShdPnd")&bit(s) != 0 }

// signalMask reads a set of signals from proc_pid_status(5); it is empty if there is no /proc.
func signalMask(name string) uint64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if hex, ok := strings.CutPrefix(line, name+":"); ok {
			bits, _ := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return bits
		}
	}
	return 0
}

func bit(s unix.Signal) uint64 { return 1 << (s - 1) }

// take has the forwarded signals sent to ch, apart from those that the caller ignores: they are ignored again,
// whatever main did, so that the next process inherits that. A signal that is taken has its default action in the
// processes that this one starts.
func take(ch chan<- os.Signal, ignored []unix.Signal) {
	for _, s := range forwarded {
		if slices.Contains(ignored, s) {
			signal.Ignore(s)
		} else {
			signal.Notify(ch, s)
		}
	}
	// A reader of our messages that has gone must not end us: Go ends a process that gets EPIPE on descriptor 2.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
}

const (
	// marker ends what collect waits for. The Go runtime hands signals that it got by then on in the order of their
	// numbers, and this is the highest that nobody else uses here.
	marker = unix.SIGPWR
	// collectEnd bounds collect where the marker is lost.
	collectEnd = time.Second
)

// collect returns the signals for ch that this process has got and the Go runtime not handed on: on a busy machine
// that takes long.
func collect(ch chan os.Signal) []unix.Signal {
	signal.Notify(ch, marker)
	_ = unix.Kill(os.Getpid(), marker)
	var out []unix.Signal
	for end := time.After(collectEnd); ; {
		select {
		case s := <-ch:
			if s == marker {
				signal.Reset(marker)
				return out
			}
			out = append(out, s.(unix.Signal))
		case <-end:
			return out // the marker may still come, and would end a process that does not ask for it
		}
	}
}

// witnessGrace is how long I waits for a signal that F got. If the whole group was meant, the kernel sends it to I in
// the same system call; F's message takes three hops.
const witnessGrace = 100 * time.Millisecond

// witness tells signals that were sent to the whole process group, and have reached the command, from those that
// were sent to F alone, and have not: I is in the group too. It belongs to one goroutine.
type witness struct {
	// seen are the signals that I got and F has not told of. That may take long: a front that is stopped tells later.
	seen map[unix.Signal]bool
	// waiting are the signals that F told of and I has not got. From that time on they were for F alone.
	waiting map[unix.Signal]time.Time
}

func newWitness() *witness {
	return &witness{seen: map[unix.Signal]bool{}, waiting: map[unix.Signal]time.Time{}}
}

// got notes that I got a signal, and reports whether F has told of it: then it was sent to the group.
func (w *witness) got(s unix.Signal) (toGroup bool) {
	if _, ok := w.waiting[s]; ok {
		delete(w.waiting, s)
		return true
	}
	w.seen[s] = true
	return false
}

// told notes that F got a signal, and reports whether I had it before: then it was sent to the group.
func (w *witness) told(s unix.Signal, now time.Time) (toGroup bool) {
	if w.seen[s] {
		delete(w.seen, s)
		return true
	}
	if _, ok := w.waiting[s]; !ok {
		w.waiting[s] = now.Add(witnessGrace)
	}
	return false
}

// forget gives up waiting for a signal.
func (w *witness) forget(s unix.Signal) { delete(w.waiting, s) }

// settle takes notice that the command has stopped or goes on. What was waiting to have that effect has no use any
// more: late, it would undo the opposite. A SIGTSTP that was seen is kept, since a front that is stopped tells later.
func (w *witness) settle(stopped bool) {
	w.forget(unix.SIGCONT)
	if stopped {
		w.forget(unix.SIGTSTP)
		delete(w.seen, unix.SIGCONT) // it was before the stop
	}
}

// due takes the signals whose grace is over.
func (w *witness) due(now time.Time) []unix.Signal {
	var out []unix.Signal
	for _, s := range forwarded {
		if at, ok := w.waiting[s]; ok && !now.Before(at) {
			out = append(out, s)
			delete(w.waiting, s)
		}
	}
	return out
}

// isDue reports whether due would return anything.
func (w *witness) isDue(now time.Time) bool { return w.next(now) == 0 }

// next returns how long until something is due, negative if nothing is waiting.
func (w *witness) next(now time.Time) time.Duration {
	next := time.Duration(-1)
	for _, at := range w.waiting {
		if d := max(at.Sub(now), 0); next < 0 || d < next {
			next = d
		}
	}
	return next
}
