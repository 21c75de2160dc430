package sandbox

import (
	"errors"
	"os"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"
)

// stopLike stops this process as the command was stopped, so that the shell sees the job stop, and returns when it
// was continued. tstp is the channel that SIGTSTP is notified on.
func stopLike(s unix.Signal, tstp chan<- os.Signal) {
	switch s {
	case unix.SIGTSTP:
		signal.Reset(s)
		defer signal.Notify(tstp, s)
	case unix.SIGTTIN, unix.SIGTTOU:
	default:
		s = unix.SIGSTOP
	}
	// Directed at this thread, it takes effect before the call returns.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), s)
}

// reclaimTerminal makes this process's group the foreground one again if that place is held by a group without
// members: the command was a shell that took the terminal and could not give it back, since our group has no number
// in its pid namespace. A script that goes on after us could not read from the terminal. If another group has the
// terminal, we were put into the background, and leave it alone.
func reclaimTerminal() {
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return // no controlling terminal
	}
	defer unix.Close(tty)
	holder, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	if err != nil || holder <= 0 || !errors.Is(unix.Kill(-holder, 0), unix.ESRCH) {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// In the background, TIOCSPGRP stops the caller unless SIGTTOU is blocked (ioctl_tty(2)).
	set, before := signalSet(unix.SIGTTOU), unix.Sigset_t{}
	if unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, unix.Getpgrp())
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}
