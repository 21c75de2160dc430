package harden

import "golang.org/x/sys/unix"

// processor is what the kernel calls the convention of our system calls, see seccomp(2).
const processor = unix.AUDIT_ARCH_X86_64

// olderCalls are older forms of calls, which newer processors lack.
var olderCalls = []uint32{
	unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT, unix.SYS_NEWFSTATAT, unix.SYS_POLL, unix.SYS_READLINK, unix.SYS_TIME,
}
