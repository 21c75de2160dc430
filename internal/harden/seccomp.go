package harden

import (
	"errors"
	"fmt"
	"os"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// filterCalls lets through the system calls that the daemon makes, and answers all others with EPERM, also those made
// by another calling convention of the processor.
func filterCalls(c Config) error {
	if !seccomp.Supported() {
		return errors.New("the kernel has no seccomp filters")
	}
	machine, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("no filter for this processor: %w", err)
	}
	err = seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: filter(c, machine)})
	if err != nil {
		return err
	}
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil && mode != unix.SECCOMP_MODE_FILTER {
		return errors.New("the filter is not in force")
	}
	return nil
}

// filter is the policy for one kind of processor.
func filter(c Config, machine *arch.Info) seccomp.Policy {
	allowed := append(slices.Clone(freely), reading...)
	allowed = append(allowed, serving...)
	if c.Signals {
		allowed = append(allowed, signalling...)
	}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			// The C library falls back to clone, whose flags can be looked at.
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(machine, []string{"clone3"})},
			{Action: seccomp.ActionAllow, Names: known(machine, allowed), NamesWithCondtions: knownConditions(machine, conditions(c))},
		},
	}
}

// freely are calls of the Go runtime and of the C library's threads, that reach nothing outside the process.
var freely = []string{
	"arch_prctl", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "epoll_create1", "epoll_ctl", "epoll_pwait",
	"epoll_pwait2", "epoll_wait", "eventfd2", "exit", "exit_group", "futex", "futex_time64", "getegid", "geteuid", "getgid",
	"getpid", "getppid", "getrandom", "gettid", "gettimeofday", "getuid", "madvise", "mincore", "mlock", "mlock2", "mremap",
	"munlock", "munmap", "nanosleep", "poll", "ppoll", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
	"rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity", "sched_yield", "set_robust_list", "sigaltstack",
	"time", "uname",
}

// reading are calls that look at files. What can be opened is Landlock's to say.
var reading = []string{
	"fstat", "fstatfs", "getdents64", "lseek", "newfstatat", "pread64", "read", "readlink", "readlinkat", "readv", "statx",
}

// serving are calls on the connection to the kernel, on the control socket, and at the end: the socket is removed, the
// watcher waited for. getsid tells the scope of a caller. io_uring_enter reaches only rings that exist, which
// internal/uring has restricted.
var serving = []string{
	"accept4", "close", "fcntl", "getpeername", "getsid", "getsockname", "getsockopt", "io_uring_enter", "pwrite64", "setsockopt", "shutdown",
	"unlinkat", "wait4", "waitid", "write", "writev",
}

// signalling are calls of the daemon of `run`, which ends and stops the others.
var signalling = []string{"kill", "pidfd_open", "pidfd_send_signal"}

// conditions are calls that are let through with some arguments only.
func conditions(c Config) []seccomp.NameWithConditions {
	list := []seccomp.NameWithConditions{
		with("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD), // not a process
		with("mmap", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
		with("mprotect", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
		with("prctl", 0, seccomp.Equal, unix.PR_SET_VMA), // the runtime names its memory
		with("prlimit64", 2, seccomp.Equal, 0),           // asking, not setting
		with("tgkill", 0, seccomp.Equal, uint64(os.Getpid())),
	}
	if len(c.Writable) > 0 {
		return append(list, with("openat", 2, seccomp.BitsNotSet, unix.O_CREAT))
	}
	return append(list, with("openat", 2, seccomp.BitsNotSet, unix.O_WRONLY|unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC))
}

// with is a call with a condition on one argument.
func with(name string, argument uint32, op seccomp.Operation, value uint64) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{{Argument: argument, Operation: op, Value: value}}}
}

// known keeps the names that a processor has: newer ones lack the older forms of some calls.
func known(machine *arch.Info, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := machine.SyscallNames[name]
		return !ok
	})
}

// knownConditions is known for calls with conditions.
func knownConditions(machine *arch.Info, list []seccomp.NameWithConditions) []seccomp.NameWithConditions {
	return slices.DeleteFunc(list, func(n seccomp.NameWithConditions) bool { return len(known(machine, []string{n.Name})) == 0 })
}
