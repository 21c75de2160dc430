package harden

import "golang.org/x/sys/unix"

// processor is what the kernel calls the convention of our system calls, see seccomp(2).
const processor = unix.AUDIT_ARCH_AARCH64

// olderCalls are what other processors name otherwise.
var olderCalls = []uint32{unix.SYS_FSTATAT}
