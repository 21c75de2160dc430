package sandbox

import (
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// lostEnd bounds the wait for the command after D was lost: the kernel is killing it.
const lostEnd = 10 * time.Second

// front is F. Its fields belong to the goroutine of Run.
type front struct {
	config Config
	daemon *os.Process
	link   *link

	ignored []unix.Signal // by the caller
	signals chan os.Signal
	got     map[unix.Signal]bool // the signals that F got
	started bool                 // the command runs, or did

	killedBy unix.Signal // what ended the command

	init   int // pidfd of I; -1 if unknown
	ended  bool
	result Result
	err    error
}

// listen asks for the signals to forward.
func (f *front) listen() {
	f.init = -1
	f.got = map[unix.Signal]bool{}
	f.ignored = ignoredByCaller()
	f.signals = make(chan os.Signal, 64)
	take(f.signals, f.ignored)
}

func (f *front) deafen() {
	signal.Stop(f.signals)
	if f.init >= 0 {
		_ = unix.Close(f.init)
	}
	if f.link != nil {
		f.link.close()
	}
}

// follow waits for the end of D, which is the end of all.
func (f *front) follow() (Result, error) {
	messages := f.link.messages()
	for {
		select {
		case s := <-f.signals:
			f.forward(s.(unix.Signal))
		case m, ok := <-messages:
			switch {
			case !ok:
				return Result{}, f.daemonLost()
			case m.Kind == kindDone:
				return f.conclude(m)
			}
			f.take(m)
		}
	}
}

// forward hands a signal on. I finds out whether the command has had it.
func (f *front) forward(s unix.Signal) {
	f.got[s] = true
	if s == unix.SIGTSTP && !f.started {
		// Stopped with the job, D could not go on, nor I, which waits for the command's execve(2) as after vfork(2).
		// The command is stopped once it runs.
		_ = unix.Kill(0, unix.SIGCONT)
		return
	}
	f.link.send(message{Kind: kindSignal, Signal: s})
}

// take deals with a message that is not the last one.
func (f *front) take(m message) {
	switch m.Kind {
	case kindStarted:
		f.started = true
		if f.got[unix.SIGTSTP] {
			f.link.send(message{Kind: kindDeliver, Signal: unix.SIGTSTP})
		}
		if fd, err := unix.PidfdOpen(m.PID, 0); err == nil {
			f.init = fd
		}
	case kindAsk:
		// Nothing here runs past a stop that has begun, but much can until it does.
		if !pending(unix.SIGSTOP) {
			f.link.send(message{Kind: kindRuns, Stop: m.Stop})
		}
	case kindExited:
		f.end(unix.WaitStatus(m.Wait))
	case kindFailed:
		if f.err == nil {
			f.err = m.Failure
		}
	case kindNote:
		f.config.Note(m.Text)
	}
}

// end keeps the first word on how the command ended.
func (f *front) end(status unix.WaitStatus) {
	if f.ended {
		return
	}
	f.ended = true
	f.result.Status = status.ExitStatus()
	if status.Signaled() {
		f.result.Status = statusSignalBase + int(status.Signal())
		f.killedBy = status.Signal()
	}
}

// conclude takes D's last message.
func (f *front) conclude(done message) (Result, error) {
	f.noteSignals()
	f.result.Interrupted = f.killedBy == unix.SIGINT && f.got[unix.SIGINT]
	f.result.Report = done.Text
	if f.err == nil && done.Failure != nil {
		f.err = done.Failure
	}
	return f.result, f.err
}

// noteSignals takes what F got and has not looked at.
func (f *front) noteSignals() {
	for _, s := range collect(f.signals) {
		f.got[s] = true
	}
}

// signalled answers for a sandbox that a signal to the job has ended while it was being made: the default action is
// what D and I have until they take the signals.
func (f *front) signalled() (Result, bool) {
	f.noteSignals()
	for _, s := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if !f.started && f.got[s] {
			return Result{Status: statusSignalBase + int(s), Interrupted: s == unix.SIGINT, Report: f.result.Report}, true
		}
	}
	return Result{}, false
}

// daemonLost waits until the kernel has killed I, and with it the command, and says how D ended.
func (f *front) daemonLost() error {
	state, err := f.daemon.Wait()
	how := fmt.Sprint(state)
	if err != nil {
		how = err.Error()
	}
	if f.init >= 0 {
		fds := []unix.PollFd{{Fd: int32(f.init), Events: unix.POLLIN}}
		_, _ = unix.Poll(fds, int(lostEnd.Milliseconds()))
	}
	return &Error{Status: StatusFailed, Message: "the daemon was lost and the command killed (" + how + ")",
		Advice: "the kernel has freed the files; nothing has overwritten them"}
}
