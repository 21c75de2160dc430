//go:build linux

package integration

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// forcedCore looks for the markers in what a core image that root forces holds,
// and more: every thread is stopped (ptrace(2)), all memory is read, mappings that
// no core contains included, and the registers of each thread.
func forcedCore(t testing.TB, pid int, markers ...marker) finds {
	t.Helper()
	tracer := startPartner(t, root, "tracer", strconv.Itoa(pid))
	defer func() { require.Equal(t, "ok", tracer.ask(t, "resume")) }()
	registers, err := hex.DecodeString(tracer.ask(t, "registers"))
	require.NoError(t, err)
	require.Greater(t, len(registers), 1000)
	result := scan(t, pid, markers...)
	if hosttest.Race {
		return result // the race detector's runtime copies through registers of its own
	}
	for _, m := range markers {
		if n := m.inRegisters(registers); n > 0 {
			result.copies[m] += n
			result.where[inRegisters] += n
		}
	}
	return result
}

// inRegisters is where finds has what was found in registers.
const inRegisters = "registers"

// inRegisters counts the places at which eight bytes of a row of markers begin,
// wherever in the marker: a register holds no more.
func (m marker) inRegisters(registers []byte) (n int) {
	row := m.fill(32)
	windows := map[uint64]bool{}
	for i := range len(m) {
		windows[binary.NativeEndian.Uint64(row[i:])] = true
	}
	for i := 0; i+8 <= len(registers); i += 8 {
		if windows[binary.NativeEndian.Uint64(registers[i:])] {
			n++
		}
	}
	return n
}

// A tracer stops all threads of a process and tells their registers. It is a
// process of its own, since a tracer waits for its tracees, and these tests for
// their daemons.
func init() {
	helpers["tracer"] = func(args []string) error {
		runtime.LockOSThread() // a tracer is a thread
		pid, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		stopped, err := stopThreads(pid)
		if err != nil {
			return err
		}
		return serve(func(line string) string {
			if line == "resume" {
				resumeThreads(stopped)
				return "ok"
			}
			var all []byte
			for tid := range stopped {
				all = append(all, registersOf(tid)...)
			}
			return hex.EncodeToString(all)
		})
	}
}

// stopThreads stops all threads of a process, also those that start meanwhile,
// and returns the signals that some of them were about to take.
func stopThreads(pid int) (map[int]unix.Signal, error) {
	stopped := map[int]unix.Signal{}
	for before := -1; before < len(stopped); {
		before = len(stopped)
		paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			tid, _ := strconv.Atoi(filepath.Base(path))
			if _, is := stopped[tid]; is || unix.PtraceSeize(tid) != nil { // it has ended
				continue
			}
			var status unix.WaitStatus
			if err := unix.PtraceInterrupt(tid); err != nil {
				return nil, err
			}
			if _, err := unix.Wait4(tid, &status, unix.WALL, nil); err != nil {
				return nil, err
			}
			stopped[tid] = 0
			if status.Stopped() && int(status)>>16 == 0 {
				stopped[tid] = status.StopSignal()
			}
		}
	}
	return stopped, nil
}

func resumeThreads(stopped map[int]unix.Signal) {
	for tid, signal := range stopped {
		_, _, _ = unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(tid), 0, uintptr(signal), 0, 0)
	}
}

// registersOf reads the register sets that a core has of a stopped thread: the
// general ones, those of floating point and, on amd64, all vector registers.
func registersOf(tid int) (all []byte) {
	const prstatus, fpregset, xstate = 1, 2, 0x202 // NT_... of elf.h
	for _, set := range []int{prstatus, fpregset, xstate} {
		buf := make([]byte, 16<<10)
		vector := unix.Iovec{Base: &buf[0]}
		vector.SetLen(len(buf))
		_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GETREGSET, uintptr(tid), uintptr(set), uintptr(unsafe.Pointer(&vector)), 0, 0)
		if errno == 0 {
			all = append(all, buf[:vector.Len]...)
		}
	}
	return all
}

// TestForcedCoreSeesRegisters is the control of forcedCore: what a process is
// copying when it is stopped is found.
func TestForcedCoreSeesRegisters(t *testing.T) {
	needRoot(t)
	if hosttest.Race {
		t.Skip("registers are not looked at under the race detector")
	}
	m := newMarker(t)
	p := startPartner(t, victim, "copier", hex.EncodeToString(m[:]))
	assert.Eventually(t, func() bool { return forcedCore(t, p.cmd.Process.Pid, m).where[inRegisters] > 0 },
		5*time.Second, 10*time.Millisecond)
}

// A copier copies a marker again and again.
func init() {
	helpers["copier"] = func(args []string) error {
		m, err := hex.DecodeString(args[0])
		if err != nil {
			return err
		}
		from, to := marker(m).fill(64), make([]byte, 64)
		go func() {
			for {
				copy(to, from)
			}
		}()
		return serve(func(string) string { return strings.TrimSpace(string(to)) })
	}
}
