//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// reaches are ways into another process. Each returns nil if it got in.
var reaches = map[string]func(pid int) error{
	"ptrace attach": func(pid int) error {
		if err := unix.PtraceAttach(pid); err != nil {
			return err
		}
		var status unix.WaitStatus
		_, _ = unix.Wait4(pid, &status, unix.WALL, nil)
		return unix.PtraceDetach(pid)
	},
	"mem": func(pid int) error {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/mem", pid), unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	},
	"process_vm_readv": func(pid int) error {
		var word [8]byte
		_, err := unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &word[0], Len: 8}}, []unix.RemoteIovec{{Base: 0x1000, Len: 8}}, 0)
		if err == unix.EFAULT { // permitted; nothing is there
			return nil
		}
		return err
	},
	"descriptors": func(pid int) error { _, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); return err },
	"steal a descriptor": func(pid int) error {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		stolen, err := unix.PidfdGetfd(fd, 0, 0)
		if err == nil {
			_ = unix.Close(stolen)
		}
		return err
	},
	"map_files": func(pid int) error { _, err := os.ReadDir(fmt.Sprintf("/proc/%d/map_files", pid)); return err },
	"maps":      func(pid int) error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid)); return err },
	"environ":   func(pid int) error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); return err },
	"auxv":      func(pid int) error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid)); return err },
	"exe":       func(pid int) error { _, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); return err },
	"root":      func(pid int) error { _, err := os.ReadDir(fmt.Sprintf("/proc/%d/root/", pid)); return err },
	"cwd":       func(pid int) error { _, err := os.ReadDir(fmt.Sprintf("/proc/%d/cwd/", pid)); return err },
	"pagemap":   func(pid int) error { _, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid)); return err },
	"join its namespaces": func(pid int) error {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	},
	"move its pages": func(pid int) error {
		_, _, errno := unix.Syscall6(unix.SYS_MIGRATE_PAGES, uintptr(pid), 64, uintptr(unsafe.Pointer(new(uint64))), uintptr(unsafe.Pointer(new(uint64))), 0, 0)
		if errno == unix.EPERM || errno == unix.EACCES {
			return errno
		}
		return nil
	},
	"oom_score_adj": func(pid int) error {
		return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("1000"), 0)
	},
}

// A reacher tries each way into each process that it is given, and prints the ways
// that were open.
func init() {
	helpers["reacher"] = func(args []string) error {
		runtime.LockOSThread() // ptrace(2) is a matter of threads
		open := map[string][]string{}
		for _, arg := range args {
			pid, err := strconv.Atoi(arg)
			if err != nil {
				return err
			}
			open[arg] = []string{}
			for name, reach := range reaches {
				if reach(pid) == nil {
					open[arg] = append(open[arg], name)
				}
			}
			sort.Strings(open[arg])
		}
		return json.NewEncoder(os.Stdout).Encode(open)
	}
}

// TestAttackDaemonBySameUser: a process of the very user cannot look into the daemon
// or its watcher, by any way that leads into other processes of that user.
func TestAttackDaemonBySameUser(t *testing.T) {
	m := background(t, user(), "--size=16m")
	plain := command(user(), "sleep", "60")
	require.NoError(t, plain.Start())
	t.Cleanup(func() { endVictim(plain) })
	of := processesOf(m.dir)
	require.Contains(t, of, "watch")
	targets := map[string]int{"plain": plain.Process.Pid, "daemon": m.pid, "watcher": of["watch"]}
	cmd := helperCommand(user(), "reacher", fmt.Sprint(targets["plain"]), fmt.Sprint(targets["daemon"]), fmt.Sprint(targets["watcher"]))
	out, err := boundedOutput(cmd, stopBound)
	require.NoError(t, err, "%s", out)
	var open map[string][]string
	require.NoError(t, json.Unmarshal(out, &open), "%s", out)

	landed := open[fmt.Sprint(targets["plain"])]
	t.Logf("ways into a plain process: %v", landed)
	for _, way := range []string{"descriptors", "environ", "exe", "maps", "cwd", "oom_score_adj"} {
		assert.Contains(t, landed, way, "the attempt works where nothing is in its way")
	}
	if scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err != nil || scope[0] == '0' {
		for _, way := range []string{"ptrace attach", "mem", "process_vm_readv", "steal a descriptor"} {
			assert.Contains(t, landed, way)
		}
	}
	for _, who := range []string{"daemon", "watcher"} {
		assert.Empty(t, open[fmt.Sprint(targets[who])], "ways into the %s", who)
	}
	require.NoError(t, as(user(), func() error { return os.WriteFile(m.dir+"/works", []byte("x"), 0o600) }))
	out2, err := m.umount()
	assert.NoError(t, err, out2)
	m.gone(t)
}

// TestAttackRunFromWithin: the command of run sees no process of ours but its init,
// into which there is no way, and cannot signal any.
func TestAttackRunFromWithin(t *testing.T) {
	for _, uid := range runUsers() {
		if uid == root {
			continue // root in the caller's user namespace may trace anybody
		}
		cmd := command(uid, suite.bin, "run", "--size=16m", "--", "sh", "-c", `for p in /proc/[0-9]*; do echo ${p#/proc/}; done; exec /proc/self/fd/3 1`)
		helper, err := os.Open(suite.helper) // lies below /tmp, which is covered
		require.NoError(t, err)
		defer helper.Close()
		cmd.Env = append(daemonEnv(nil), hosttest.HelperEnv("reacher"))
		cmd.Dir = "/"
		cmd.ExtraFiles = []*os.File{helper}
		out, err := boundedOutput(cmd, stopBound)
		require.NoError(t, err, "%s", out)
		assert.Regexp(t, `(?s)^1\n\d+\n\{"1":\[\]\}\n$`, string(out), "init, the command, and no way into init")
	}
}
