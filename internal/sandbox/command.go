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
	stops   int  // reported so far
}

// startCommand starts the command as a child of this process, with place as its TMPDIR.
//
// Errors: *Error with StatusNotFound, StatusNotExecutable or StatusFailed.
func startCommand(s *spec, args []string, place string) (*command, error) {
	type result struct {
		pid int
		err error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: what is given up here is given up for the command and for this thread, which is not used
		// again. The others keep it, and with it the command's inability to trace this process (ptrace(2)).
		runtime.LockOSThread()
		pid, err := fork(s, args, environment(place))
		done <- result{pid, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, r.err
	}
	return &command{pid: r.pid}, nil
}

// fork starts the command, without capabilities in a user namespace of ours. Preconditions: the goroutine is locked
// to its thread for good.
func fork(s *spec, args, env []string) (int, error) {
	if !s.Privileged {
		if err := dropCapabilities(); err != nil {
			return 0, failed("starting the command", err)
		}
	}
	attr := &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}}
	pid, err := syscall.ForkExec(string(s.Program), args, attr)
	if errors.Is(err, unix.ENOEXEC) {
		// A script without #!, as execvp(3) has it.
		pid, err = syscall.ForkExec("/bin/sh", append([]string{"sh", string(s.Program)}, args[1:]...), attr)
	}
	if errors.Is(err, unix.ENOENT) {
		return 0, &Error{Status: StatusNotFound, Message: args[0] + ": it, or the interpreter it names, does not exist in the sandbox"}
	}
	return pid, executionError(args[0], err)
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

// deliver hands a signal to the command, unless it has had it: toGroup says that it was sent to our process group.
func (c *command) deliver(s unix.Signal, toGroup bool) {
	if toGroup && c.inOurGroup() {
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
