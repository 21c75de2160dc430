package sandbox

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

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
	var set, before unix.Sigset_t
	set.Val[0] = 1 << (unix.SIGTTOU - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, unix.Getpgrp())
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}
