package sandbox

import (
	"bufio"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that F hands on to the command.
var forwarded = []unix.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH,
	unix.SIGTSTP, unix.SIGCONT,
}

// heldSignals are blocked in D and I from their first instruction on. D belongs to the job until it has started I, and
// nothing that is meant for the job may end or stop it; with SIGTTOU blocked it may also write to the terminal
// (setpgid(2), termios(3)). I shares the job's group for good: what is pending there was sent to the whole group.
var heldSignals = signalSet(append([]unix.Signal{unix.SIGTTIN, unix.SIGTTOU}, forwarded...)...)

// ignoredAtBirth are SIGHUP and SIGINT where the caller ignored them, as nohup(1) and a shell's background jobs do.
// It is read before main may ask for them, which ends that.
var ignoredAtBirth = func() map[unix.Signal]bool {
	return map[unix.Signal]bool{
		unix.SIGHUP: signal.Ignored(unix.SIGHUP),
		unix.SIGINT: signal.Ignored(unix.SIGINT),
	}
}()

// signalsToForward returns the forwarded signals that the caller has not chosen to ignore, after putting back what it
// ignored: the command then inherits that.
func signalsToForward() []os.Signal {
	ignored := ignoredNow()
	var out []os.Signal
	for _, s := range forwarded {
		switch {
		case ignoredAtBirth[s]:
			signal.Ignore(s)
		case !ignored[s]:
			out = append(out, s)
		}
	}
	return out
}

// ignoredNow reads SigIgn of proc_pid_status(5). Of the signals that the Go runtime handles itself it knows nothing;
// the stop signals are not among them.
func ignoredNow() map[unix.Signal]bool {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return nil
	}
	defer f.Close()
	ignored := map[unix.Signal]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		hex, ok := strings.CutPrefix(lines.Text(), "SigIgn:")
		if !ok {
			continue
		}
		bits, _ := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		for n := range 64 {
			ignored[unix.Signal(n+1)] = bits&(1<<n) != 0
		}
	}
	return ignored
}

// holdAgain undoes what main did: a signal that os/signal was asked for is unblocked in one thread, and no longer
// ignored.
func holdAgain() {
	for _, s := range forwarded {
		signal.Reset(s)
	}
}

// discardPending takes the held signals off this process's queue.
func discardPending() {
	for _, s := range forwarded {
		takePending(s)
	}
}

// takePending removes a blocked signal from the queue of this process and reports whether it was there
// (rt_sigtimedwait(2) with no time to wait).
func takePending(s unix.Signal) bool {
	set := signalSet(s)
	var now unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT,
		uintptr(unsafe.Pointer(&set)), 0, uintptr(unsafe.Pointer(&now)), signalSetBytes, 0, 0)
	return errno == 0 && unix.Signal(n) == s
}

// signalSetBytes is the size of the kernel's sigset_t.
const signalSetBytes = 8

func signalSet(signals ...unix.Signal) unix.Sigset_t {
	var set unix.Sigset_t
	for _, s := range signals {
		set.Val[0] |= 1 << (s - 1)
	}
	return set
}
