//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// inCpuset is a wrapper that leaves the daemon one processor.
func inCpuset(t *testing.T) wrapper {
	t.Helper()
	const v1 = "/sys/fs/cgroup/cpuset"
	group := filepath.Join(v1, fmt.Sprint("safetmp-it-", os.Getpid()))
	files := map[string]string{"cpuset.cpus": "0", "cpuset.mems": "0"}
	if _, err := os.Stat(v1); err != nil {
		group = filepath.Join("/sys/fs/cgroup", filepath.Base(group))
		if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+cpuset"), 0); err != nil {
			t.Skip("no cpuset here: ", err)
		}
	}
	require.NoError(t, os.Mkdir(group, 0o755))
	t.Cleanup(func() {
		assert.Eventually(t, func() bool { return os.Remove(group) == nil }, answerBound, 10*time.Millisecond)
	})
	for file, value := range files {
		require.NoError(t, os.WriteFile(filepath.Join(group, file), []byte(value), 0))
	}
	return func(bin string, args ...string) *exec.Cmd {
		return plainly("/bin/sh", append([]string{"-c", `echo $$ >"$0/cgroup.procs"; exec "$@"`, group, bin}, args...)...)
	}
}

// onEveryCPU uses the mount from each processor, as the queue is chosen by it.
func (m *live) onEveryCPU(t *testing.T) {
	t.Helper()
	for cpu := range runtime.NumCPU() {
		require.NoError(t, as(m.owner, func() error {
			var set unix.CPUSet
			set.Set(cpu)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				return nil // off, or not ours
			}
			name := filepath.Join(m.dir, fmt.Sprint("from", cpu))
			if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
				return err
			}
			return os.Remove(name)
		}))
	}
}

// TestRingsOnOneProcessor: a daemon that may use one processor, or that runs one
// goroutine at a time, serves callers on all of them.
func TestRingsOnOneProcessor(t *testing.T) {
	offerRings(t)
	for name, wrap := range map[string]wrapper{
		"cpuset": inCpuset(t),
		"taskset": func(bin string, args ...string) *exec.Cmd {
			return plainly("taskset", append([]string{"-c", "0", bin}, args...)...)
		},
		"GOMAXPROCS=1": func(bin string, args ...string) *exec.Cmd {
			return plainly("env", append([]string{"GOMAXPROCS=1", bin}, args...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := ringMount(t)
			code, out := m.mount(wrap, "uring")
			require.Zero(t, code, out)
			assert.Equal(t, "uring", m.answers(t))
			m.onEveryCPU(t)
			wait := m.load(t)
			time.Sleep(200 * time.Millisecond)
			m.answersUnderLoad(t)
			out, err := m.umount("--force")
			require.NoError(t, err, out)
			wait(t)
			m.gone(t)
		})
	}
}

// TestRingsProcessorOff: a processor that is off when a mount is made, or goes
// and comes under load, keeps nobody waiting.
func TestRingsProcessorOff(t *testing.T) {
	const online = "/sys/devices/system/cpu/cpu1/online"
	if _, err := os.Stat(online); err != nil {
		t.Skip("no processor can be switched off here")
	}
	offerRings(t)
	set := func(value string) { require.NoError(t, os.WriteFile(online, []byte(value), 0)) }
	t.Cleanup(func() { _ = os.WriteFile(online, []byte("1"), 0) })
	if err := os.WriteFile(online, []byte("0"), 0); err != nil {
		t.Skip("no processor can be switched off here: ", err)
	}
	m := ringMount(t)
	code, out := m.mount(plainly, "uring")
	require.Zero(t, code, out)
	assert.Equal(t, "uring", m.answers(t))
	set("1")
	m.onEveryCPU(t)
	wait := m.load(t)
	for range 3 {
		set("0")
		m.answersUnderLoad(t)
		m.onEveryCPU(t)
		set("1")
		m.answersUnderLoad(t)
		m.onEveryCPU(t)
	}
	out, err := m.umount("--force")
	require.NoError(t, err, out)
	wait(t)
	m.gone(t)
}

// A "hopeful" helper appends to a full file on the first processor, with many
// threads, until its input ends, and tells how often there was no room.
func init() {
	helpers["hopeful"] = func(args []string) error {
		if err := onFirstCPU(); err != nil {
			return err
		}
		var refused atomic.Int64
		for range 12 {
			go func() {
				block := make([]byte, 4096)
				for {
					f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND, 0)
					if err != nil {
						return
					}
					if _, err = f.Write(block); errors.Is(err, unix.ENOSPC) {
						refused.Add(1)
					}
					_ = f.Close()
				}
			}()
		}
		return serve(func(string) string { return fmt.Sprint(refused.Load()) })
	}
}

// onFirstCPU binds the process, whose threads inherit it, before it has many.
func onFirstCPU() error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(0)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		if err := unix.SchedSetaffinity(tid, &set); err != nil {
			return err
		}
	}
	return nil
}

// TestRingsWaitForRoom: programs that wait for room on a full mount keep no
// other from being served, on the same processor.
func TestRingsWaitForRoom(t *testing.T) {
	offerRings(t)
	m := ringMount(t)
	code, out := m.mount(plainly, "uring")
	require.Zero(t, code, out)
	m.answers(t)
	full := filepath.Join(m.dir, "full")
	require.NoError(t, as(m.owner, func() error {
		// Somebody keeps a file open that has no name, so that there is hope.
		held, err := os.Create(filepath.Join(m.dir, "held"))
		if err != nil {
			return err
		}
		defer held.Close()
		if err := os.Remove(held.Name()); err != nil {
			return err
		}
		if err := fillUp(full); !errors.Is(err, unix.ENOSPC) {
			return err
		}
		hopeful := startPartner(t, m.owner, "hopeful", full)
		time.Sleep(100 * time.Millisecond) // until they wait
		asked, err := askAsBesides(m.dir)
		t.Logf("%d answers beside %s requests that found no room", asked, hopeful.ask(t, ""))
		assert.NotEqual(t, "0", hopeful.ask(t, ""), "somebody waited")
		assert.Greater(t, asked, 100, "each would have waited for 50 ms")
		_ = hopeful.cmd.Process.Kill()
		_ = hopeful.cmd.Wait()
		return err
	}))
	m.ends(t)
}

// fillUp writes a file until there is no room.
func fillUp(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	return err
}

// askAsBesides asks for attributes on the first processor for a second, past
// the kernel's cache.
func askAsBesides(dir string) (n int, err error) {
	var set unix.CPUSet
	set.Set(0)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return 0, err
	}
	for begun := time.Now(); time.Since(begun) < time.Second; n++ {
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_STATX_FORCE_SYNC, unix.STATX_ALL, &st); err != nil {
			return n, err
		}
	}
	return n, nil
}
