package sandbox

import (
	"errors"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// command is C, as I sees it. It is used by one goroutine, apart from watch.
type command struct {
	pid     int
	stopped bool // by the last report of wait4(2)
}

// launch is how the command is started.
type launch struct {
	program      string
	args         []string // args[0] is the name as the caller wrote it
	env          []string
	mask         uint64
	capabilities bool // leave them
}

// startCommand starts the command as a child of this process.
//
// Errors: *Error with StatusNotFound, StatusNotExecutable or StatusFailed.
func startCommand(l launch) (*command, error) {
	type result struct {
		pid int
		err error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: what is given up here is given up for the command and for this thread, which ends with the
		// goroutine. The other threads keep it, and with it the command's inability to trace them (ptrace(2)).
		runtime.LockOSThread()
		pid, err := l.fork()
		done <- result{pid, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, r.err
	}
	return &command{pid: r.pid}, nil
}

// fork starts the command with the caller's signal mask, which forkExec hands on, and without capabilities.
func (l launch) fork() (int, error) {
	if !l.capabilities {
		if err := dropCapabilities(); err != nil {
			return 0, failed("starting the command", err)
		}
	}
	set := unix.Sigset_t{}
	set.Val[0] = l.mask
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
		return 0, failed("starting the command", err)
	}
	attr := &syscall.ProcAttr{Env: l.env, Files: []uintptr{0, 1, 2}}
	pid, err := syscall.ForkExec(l.program, l.args, attr)
	if errors.Is(err, unix.ENOEXEC) {
		// A script without #!, as execvp(3) has it.
		pid, err = syscall.ForkExec("/bin/sh", append([]string{"sh", l.program}, l.args[1:]...), attr)
	}
	if errors.Is(err, unix.ENOENT) {
		return 0, &Error{Status: StatusNotFound, Message: l.args[0] + ": it, or the interpreter it names, does not exist in the sandbox"}
	}
	return pid, executionError(l.args[0], err)
}

// change is what wait4(2) reports of the command.
type change struct{ status unix.WaitStatus }

// watch reaps every child of this process, orphans of the namespace included, and passes on what happens to the
// command until it has ended.
func (c *command) watch() <-chan change {
	changes := make(chan change)
	go func() {
		for {
			var status unix.WaitStatus
			pid, err := unix.Wait4(-1, &status, unix.WUNTRACED|unix.WCONTINUED, nil)
			if errors.Is(err, unix.EINTR) || (err == nil && pid != c.pid) {
				continue
			}
			changes <- change{status}
			if err != nil || status.Exited() || status.Signaled() {
				return
			}
		}
	}()
	return changes
}

// deliver hands on a signal that F got. What is pending here as well was sent to the whole process group; the command
// has it already if it is still in that group. The kernel signals the youngest member of a group first, so that F
// cannot be here before.
func (c *command) deliver(s unix.Signal) {
	toGroup := takePending(s)
	if toGroup && c.inOurGroup() {
		return
	}
	if s == unix.SIGCONT && !c.stopped {
		return
	}
	_ = unix.Kill(c.pid, s)
}

func (c *command) inOurGroup() bool {
	theirs, err := unix.Getpgid(c.pid)
	return err == nil && theirs == unix.Getpgrp()
}

// environment returns the process's environment with the three variables set to place.
func environment(place string) []string {
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		_ = os.Setenv(name, place)
	}
	return os.Environ()
}
