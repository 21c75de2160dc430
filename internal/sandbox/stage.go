package sandbox

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// self is this program, also if its file was replaced or lies in a directory that the caller may not search.
const self = "/proc/self/exe"

// stage starts this program again as another process of the sandbox, and returns our end of the link to it. words make
// it call Daemon or Init; after them it finds the number of its end, "--" and args.
//
// The caller's descriptors keep their numbers: ours gets the lowest one that is free. Preconditions: nothing else
// forks meanwhile. If attr asks for a parent-death signal, the calling goroutine is locked to a thread that outlives
// the process.
func stage(words, args, env []string, stdio [3]*os.File, attr *syscall.SysProcAttr) (*os.Process, *link, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	defer unix.Close(pair[1])
	ours, err := newLink(pair[0])
	if err != nil {
		_ = unix.Close(pair[0])
		return nil, nil, err
	}
	process, err := start(pair[1], words, args, env, stdio, attr)
	if err != nil {
		ours.close()
		return nil, nil, err
	}
	return process, ours, nil
}

// start forks with theirs open in the child.
func start(theirs int, words, args, env []string, stdio [3]*os.File, attr *syscall.SysProcAttr) (*os.Process, error) {
	open, err := unix.FcntlInt(uintptr(theirs), unix.F_DUPFD, 3)
	if err != nil {
		return nil, err
	}
	defer unix.Close(open)
	argv := append([]string{"safetmp"}, words...)
	argv = append(append(argv, strconv.Itoa(open), "--"), args...)
	return os.StartProcess(self, argv, &os.ProcAttr{Env: env, Files: stdio[:], Sys: attr})
}

// adopt is the first thing that D and I do: it opens the link whose number the parent passed, keeps other processes of
// the same uid from tracing this one, waits for what is to be done, and takes the signals.
func adopt(fd int) (*link, *spec, chan os.Signal, error) {
	l, err := newLink(fd)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		l.close()
		return nil, nil, nil, err
	}
	s, err := l.receiveSpec()
	if err != nil {
		l.close()
		return nil, nil, nil, err
	}
	signals := make(chan os.Signal, 64)
	take(signals, s.Ignored)
	return l, s, signals, nil
}

// letGo gives up the descriptors that are the command's, so that a pipe ends when the command closes it.
func letGo(inherited []int, std ...int) {
	for _, fd := range inherited {
		_ = unix.Close(fd)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return // they stay open, which delays an end of file and nothing else
	}
	for _, fd := range std {
		_ = unix.Dup3(null, fd, 0)
	}
	_ = unix.Close(null)
}
