//go:build amd64 || arm64

package harden

import (
	"os"

	"golang.org/x/sys/unix"
)

// freely are calls of the Go runtime and of the C library's threads, that reach nothing outside the process.
var freely = []uint32{
	unix.SYS_BRK, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_EPOLL_CREATE1,
	unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	unix.SYS_FUTEX, unix.SYS_GETEGID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETPID, unix.SYS_GETPPID,
	unix.SYS_GETRANDOM, unix.SYS_GETTID, unix.SYS_GETTIMEOFDAY, unix.SYS_GETUID, unix.SYS_MADVISE, unix.SYS_MINCORE,
	unix.SYS_MLOCK, unix.SYS_MLOCK2, unix.SYS_MREMAP, unix.SYS_MUNLOCK, unix.SYS_MUNMAP, unix.SYS_NANOSLEEP, unix.SYS_PPOLL,
	unix.SYS_RESTART_SYSCALL, unix.SYS_RSEQ, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPENDING, unix.SYS_RT_SIGPROCMASK,
	unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_YIELD,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_SIGALTSTACK, unix.SYS_UNAME,
}

// reading are calls that look at files. What can be opened is Landlock's to say.
var reading = []uint32{
	unix.SYS_FSTAT, unix.SYS_FSTATFS, unix.SYS_GETDENTS64, unix.SYS_LSEEK, unix.SYS_PREAD64, unix.SYS_READ,
	unix.SYS_READLINKAT, unix.SYS_READV, unix.SYS_STATX,
}

// serving are calls on the connection to the kernel, on the control socket, and at the end: the socket is removed, the
// watcher waited for. getsid tells the scope of a caller. io_uring_enter reaches only rings that exist, which
// internal/uring has restricted.
var serving = []uint32{
	unix.SYS_ACCEPT4, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_GETPEERNAME, unix.SYS_GETSID, unix.SYS_GETSOCKNAME,
	unix.SYS_GETSOCKOPT, unix.SYS_IO_URING_ENTER, unix.SYS_PWRITE64, unix.SYS_SETSOCKOPT, unix.SYS_SHUTDOWN,
	unix.SYS_UNLINKAT, unix.SYS_WAIT4, unix.SYS_WAITID, unix.SYS_WRITE, unix.SYS_WRITEV,
}

// signalling are calls of the daemon of `run`, which ends and stops the others.
var signalling = []uint32{unix.SYS_KILL, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL}

// onFiles are calls on the files that the kernel reads and writes by itself. fsconfig reaches what fspick gives:
// its descriptor is looked at below, but an absolute path, which no filter sees, leads elsewhere.
var onFiles = []uint32{unix.SYS_FALLOCATE, unix.SYS_FSCONFIG, unix.SYS_FTRUNCATE}

// allowed lists the calls that are let through whatever their arguments.
func allowed(c Config) []uint32 {
	var list []uint32
	for _, group := range [][]uint32{freely, reading, serving, olderCalls} {
		list = append(list, group...)
	}
	if c.Backing != nil {
		list = append(list, onFiles...)
	}
	if c.Signals {
		list = append(list, signalling...)
	}
	return list
}

// condition is a call that is let through if one argument, as far as mask goes, has a value.
type condition struct {
	call     uint32
	argument int
	mask     uint64
	value    uint64
}

// conditions are calls that are let through with some arguments only.
func conditions(c Config) []condition {
	const whole = ^uint64(0)
	writing := uint64(unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC)
	if len(c.Writable) > 0 {
		writing = unix.O_CREAT
	}
	list := []condition{
		{unix.SYS_CLONE, 0, unix.CLONE_THREAD, unix.CLONE_THREAD}, // not a process
		{unix.SYS_MMAP, 2, unix.PROT_EXEC, 0},
		{unix.SYS_MPROTECT, 2, unix.PROT_EXEC, 0},
		{unix.SYS_PRCTL, 0, whole, unix.PR_SET_VMA}, // the runtime names its memory
		{unix.SYS_PRLIMIT64, 2, whole, 0},           // asking, not setting
		{unix.SYS_TGKILL, 0, whole, uint64(os.Getpid())},
		{unix.SYS_OPENAT, 2, writing, 0},
	}
	if c.Backing == nil {
		return list
	}
	for _, request := range c.Backing.Calls {
		list = append(list, condition{unix.SYS_IOCTL, 1, whole, request})
	}
	return append(list,
		condition{unix.SYS_FSPICK, 0, whole, uint64(c.Backing.Folder)},
		condition{unix.SYS_OPENAT, 2, whole, unix.O_TMPFILE | unix.O_RDWR | unix.O_CLOEXEC | unix.O_LARGEFILE}, // no call could name it
		condition{unix.SYS_UTIMENSAT, 1, whole, 0},                                                             // of a descriptor, not of a path
	)
}
