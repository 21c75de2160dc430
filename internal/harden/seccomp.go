//go:build amd64 || arm64

package harden

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filterCalls lets through the system calls that the daemon makes, and answers all others with EPERM, also those made
// by another calling convention of the processor. Preconditions: no_new_privs is set.
func filterCalls(c Config) error {
	filter := program(c)
	description := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&description)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return errors.New("the kernel has no seccomp filters")
	case errno != 0:
		return fmt.Errorf("seccomp: %w", errno)
	case thread != 0:
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil && mode != unix.SECCOMP_MODE_FILTER {
		return errors.New("the filter is not in force")
	}
	return nil
}

// Where struct seccomp_data has the parts of a call. Both processors are little-endian.
const (
	atNumber    = 0
	atProcessor = 4
	atArguments = 16
)

// x32 marks the numbers of another calling convention of amd64, which comes with the same processor. No call of arm64
// has such a number.
const x32 = 0x40000000

// Verdicts.
const (
	allow     = uint32(unix.SECCOMP_RET_ALLOW)
	forbid    = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	pretendNo = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// program is the filter, in instructions of bpf(4). It is assembled here since the library for it brings the system
// calls of every processor, which each start of the program would sort into maps. The kernel notes which calls are let
// through whatever their arguments, and does not run the filter for them (Linux 5.11).
func program(c Config) []unix.SockFilter {
	p := []unix.SockFilter{
		load(atProcessor), skipUnless(unix.BPF_JEQ, processor, 2), // to the first verdict
		load(atNumber), skipUnless(unix.BPF_JGE, x32, 1), verdict(forbid),
		// The C library falls back to clone, whose flags can be looked at.
		skipUnless(unix.BPF_JEQ, unix.SYS_CLONE3, 1), verdict(pretendNo),
	}
	for _, call := range allowed(c) {
		p = append(p, skipUnless(unix.BPF_JEQ, call, 1), verdict(allow))
	}
	list := conditions(c)
	for i, c := range list {
		again := slices.ContainsFunc(list[i+1:], func(later condition) bool { return later.call == c.call })
		p = append(p, c.program(again)...)
	}
	return append(p, verdict(forbid))
}

// program decides about one call, if it is that one. again says that a later condition is about the same call: it is
// let through if one of them holds.
func (c condition) program(again bool) []unix.SockFilter {
	low := uint32(atArguments + 8*c.argument)
	otherwise := verdict(forbid)
	if again {
		otherwise = load(atNumber)
	}
	return []unix.SockFilter{
		skipUnless(unix.BPF_JEQ, c.call, 8),
		load(low), and(uint32(c.mask)), skipUnless(unix.BPF_JEQ, uint32(c.value), 4),
		load(low + 4), and(uint32(c.mask >> 32)), skipUnless(unix.BPF_JEQ, uint32(c.value>>32), 1),
		verdict(allow),
		otherwise,
	}
}

// load puts a word of struct seccomp_data into the accumulator, which is all that later instructions look at.
func load(at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
}

func and(mask uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask}
}

// skipUnless skips n instructions unless the comparison with value holds.
func skipUnless(comparison uint16, value uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | comparison, Jf: n, K: value}
}

func verdict(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}
