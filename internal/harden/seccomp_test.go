//go:build amd64 || arm64

package harden

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filterOf returns what the filter says of a call, by another implementation of bpf(4).
func filterOf(t *testing.T, c Config) func(processor, call uint32, args ...uint64) uint32 {
	t.Helper()
	var raw []bpf.RawInstruction
	for _, i := range program(c) {
		raw = append(raw, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	instructions, decoded := bpf.Disassemble(raw)
	require.True(t, decoded)
	vm, err := bpf.NewVM(instructions)
	require.NoError(t, err)
	return func(processor, call uint32, args ...uint64) uint32 {
		data := make([]byte, 64) // struct seccomp_data; this bpf(4) is one for packets, whose words are big-endian
		binary.BigEndian.PutUint32(data[atNumber:], call)
		binary.BigEndian.PutUint32(data[atProcessor:], processor)
		for i, arg := range args {
			binary.BigEndian.PutUint32(data[atArguments+8*i:], uint32(arg))
			binary.BigEndian.PutUint32(data[atArguments+8*i+4:], uint32(arg>>32))
		}
		got, err := vm.Run(data)
		require.NoError(t, err)
		return uint32(got)
	}
}

// Every call gets the verdict that the lists give it, whatever its arguments are: also those that look like numbers of
// calls.
func TestFilter(t *testing.T) {
	const most = 600 // numbers of calls
	for _, c := range []Config{{}, {Signals: true}, {Writable: []string{"x"}}, {Backing: &Backing{}}} {
		verdictOn := filterOf(t, c)
		free := allowed(c)
		for call := range uint32(most) {
			want := forbid
			switch {
			case slices.Contains(free, call):
				want = allow
			case call == unix.SYS_CLONE3:
				want = pretendNo
			case slices.ContainsFunc(conditions(c), func(c condition) bool { return c.call == call }):
				continue // TestConditions
			}
			require.Equal(t, want, verdictOn(processor, call), "call %d", call)
			require.Equal(t, forbid, verdictOn(processor, call|x32), "x32 call %d", call)
			require.Equal(t, forbid, verdictOn(unix.AUDIT_ARCH_I386, call), "i386 call %d", call)
		}
	}
	for _, call := range []uint32{unix.SYS_EXECVE, unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_PTRACE, unix.SYS_OPENAT2, unix.SYS_MOUNT, unix.SYS_KILL} {
		assert.Equal(t, forbid, filterOf(t, Config{})(processor, call))
	}
}

// Calls with conditions are let through with the arguments that are meant, and with no others.
func TestConditions(t *testing.T) {
	pid := uint64(os.Getpid())
	for _, test := range []struct {
		call     uint32
		argument int
		allowed  []uint64
		refused  []uint64
	}{
		{unix.SYS_CLONE, 0, []uint64{unix.CLONE_THREAD, unix.CLONE_THREAD | unix.CLONE_VM}, []uint64{0, unix.CLONE_VFORK, unix.CLONE_THREAD << 32}},
		{unix.SYS_MMAP, 2, []uint64{0, unix.PROT_READ | unix.PROT_WRITE}, []uint64{unix.PROT_EXEC, unix.PROT_EXEC | unix.PROT_WRITE}},
		{unix.SYS_MPROTECT, 2, []uint64{0, unix.PROT_READ | unix.PROT_WRITE}, []uint64{unix.PROT_EXEC, unix.PROT_EXEC | unix.PROT_WRITE}},
		{unix.SYS_PRCTL, 0, []uint64{unix.PR_SET_VMA}, []uint64{unix.PR_SET_DUMPABLE, unix.PR_SET_VMA | 1<<32}},
		{unix.SYS_PRLIMIT64, 2, []uint64{0}, []uint64{1, 1 << 32, 0xc000012340}},
		{unix.SYS_TGKILL, 0, []uint64{pid}, []uint64{0, 1, pid + 1, pid | 1<<32, ^uint64(0)}},
		{unix.SYS_OPENAT, 2, []uint64{unix.O_RDONLY, unix.O_CLOEXEC}, []uint64{unix.O_WRONLY, unix.O_RDWR, unix.O_CREAT, unix.O_TRUNC}},
	} {
		verdictOn := filterOf(t, Config{})
		say := func(value uint64) uint32 {
			args := make([]uint64, 6)
			args[test.argument] = value
			return verdictOn(processor, test.call, args...)
		}
		for _, value := range test.allowed {
			assert.Equal(t, allow, say(value), "call %d with %#x", test.call, value)
		}
		for _, value := range test.refused {
			assert.Equal(t, forbid, say(value), "call %d with %#x", test.call, value)
		}
	}
}

// What a process with files for the kernel may do beside that, and what not.
func TestConditionsOfBacking(t *testing.T) {
	const folder, request, other = 7, 0x4010e501, 0x4004e502
	with := filterOf(t, Config{Backing: &Backing{Folder: folder, Calls: []uint64{request, other}}})
	without := filterOf(t, Config{})
	for _, c := range []struct {
		call uint32
		args [6]uint64
		want uint32
	}{
		{unix.SYS_IOCTL, [6]uint64{3, request}, allow},
		{unix.SYS_IOCTL, [6]uint64{3, other}, allow},
		{unix.SYS_IOCTL, [6]uint64{3, unix.TIOCSTI}, forbid},
		{unix.SYS_FSPICK, [6]uint64{folder}, allow},
		{unix.SYS_FSPICK, [6]uint64{folder + 1}, forbid},
		{unix.SYS_OPENAT, [6]uint64{folder, 0, unix.O_TMPFILE | unix.O_RDWR | unix.O_CLOEXEC}, allow},
		{unix.SYS_OPENAT, [6]uint64{folder, 0, unix.O_RDWR | unix.O_CLOEXEC}, forbid},
		{unix.SYS_OPENAT, [6]uint64{folder, 0, unix.O_CREAT | unix.O_RDWR | unix.O_CLOEXEC}, forbid},
		{unix.SYS_UTIMENSAT, [6]uint64{9, 0}, allow},
		{unix.SYS_UTIMENSAT, [6]uint64{9, 0x7f0012345678}, forbid},
		{unix.SYS_FTRUNCATE, [6]uint64{9, 0}, allow},
		{unix.SYS_FSMOUNT, [6]uint64{9, 0}, forbid},
		{unix.SYS_FSOPEN, [6]uint64{9, 0}, forbid},
		{unix.SYS_LINKAT, [6]uint64{9, 0}, forbid},
	} {
		assert.Equal(t, c.want, with(processor, c.call, c.args[:]...), "call %d with %v", c.call, c.args)
		assert.Equal(t, forbid, without(processor, c.call, c.args[:]...), "call %d with %v", c.call, c.args)
	}
}

// What fails the condition of one call is not taken for another call, of which its argument is the number.
func TestArgumentsAreNotCalls(t *testing.T) {
	verdictOn := filterOf(t, Config{Signals: true})
	for number := range uint64(600) {
		for _, other := range []uint64{0, 1, 4, unix.PR_SET_VMA} {
			args := []uint64{number, other, number | unix.PROT_EXEC, 0, 0, 0}
			require.Equal(t, forbid, verdictOn(processor, unix.SYS_CLONE, args...), fmt.Sprint(args))
			require.Equal(t, forbid, verdictOn(processor, unix.SYS_MMAP, args...), fmt.Sprint(args))
			require.Equal(t, forbid, verdictOn(processor, unix.SYS_PRCTL, args...), fmt.Sprint(args))
		}
	}
}
