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

	signals     chan os.Signal
	interrupted bool // F got a SIGINT

	init   int // pidfd of I; -1 if unknown
	ended  bool
	result Result
	err    error
}

// listen asks for the signals to forward. SIGPIPE is taken and dropped: a reader of our messages that has gone must
// not end the command.
func (f *front) listen() {
	f.init = -1
	f.signals = make(chan os.Signal, 64)
	signal.Notify(f.signals, signalsToForward()...)
	signal.Notify(f.signals, unix.SIGPIPE)
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
	if s == unix.SIGPIPE {
		return
	}
	f.interrupted = f.interrupted || s == unix.SIGINT
	f.link.send(message{Kind: kindSignal, Signal: s})
}

// take deals with a message that is not the last one.
func (f *front) take(m message) {
	switch m.Kind {
	case kindStarted:
		if fd, err := unix.PidfdOpen(m.PID, 0); err == nil {
			f.init = fd
		}
	case kindStopped:
		stopLike(m.Signal, f.signals)
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
		f.result.Interrupted = f.interrupted && status.Signal() == unix.SIGINT
	}
}

// conclude takes D's last message.
func (f *front) conclude(done message) (Result, error) {
	f.result.Report = done.Text
	if f.err == nil && done.Failure != nil {
		f.err = done.Failure
	}
	return f.result, f.err
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
