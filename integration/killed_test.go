//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
	"safetmp/internal/launch/launchtest"
	"safetmp/internal/mount"
)

// promised is how long users may see the dead mount of a killed daemon. The race
// detector multiplies it, and sleeps for a second before a process of its exits.
func promised() time.Duration {
	if hosttest.Race {
		return 5 * time.Second
	}
	return time.Second
}

// A writer writes, reads and deletes until something fails.
func init() {
	helpers["writer"] = func(args []string) error {
		fmt.Println("ready")
		block := bytes.Repeat([]byte("safetmp "), 32<<10)
		for i := 0; ; i++ {
			name := filepath.Join(args[0], fmt.Sprint("file", i%7, "-", os.Getpid()))
			if err := os.WriteFile(name, block, 0o600); err != nil {
				return err
			}
			if _, err := os.ReadFile(name); err != nil {
				return err
			}
			if i%3 == 0 {
				if err := os.Remove(name); err != nil {
					return err
				}
			}
		}
	}
}

// processesOf lists the processes of safetmp that name a mountpoint, by what
// they are: "daemon", "watch", "mount".
func processesOf(dir string) map[string]int {
	found := map[string]int{}
	for _, pid := range processesByProgram(suite.bin) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		words := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		if len(words) > 1 && slices.Contains(words, dir) {
			found[words[1]] = pid
		}
	}
	return found
}

// processesByProgram lists the processes that run a program.
func processesByProgram(path string) []int {
	var pids []int
	for _, pid := range hosttest.Processes() {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && exe == path {
			pids = append(pids, pid)
		}
	}
	return pids
}

// mounters are the users who mount: through fusermount3 and by mount(2).
func mounters() []int {
	if os.Getuid() != root {
		return []int{os.Getuid()}
	}
	return []int{victim, root}
}

// TestKilledWhileWriting kills the daemon outright at random points of heavy
// writing: within a second the mountpoint is an empty folder that cannot be
// written to, no process is left, and the next mount is clean.
func TestKilledWhileWriting(t *testing.T) {
	for _, uid := range mounters() {
		t.Run(fmt.Sprint("by ", uid), func(t *testing.T) {
			// Root would write to any folder, so root mounts for somebody.
			m := &live{dir: filepath.Join(suite.Base, "m", fmt.Sprint(mountCount.Add(1))), by: uid, owner: user()}
			require.NoError(t, os.Mkdir(m.dir, 0o700))
			require.NoError(t, os.Chown(m.dir, m.owner, m.owner))
			t.Cleanup(func() {
				_ = unix.Unmount(m.dir, unix.MNT_DETACH)
				assert.NoError(t, os.Remove(m.dir))
			})
			sockets := len(socketsOf(uid))
			var worst time.Duration
			rounds := count(100, 15)
			for range rounds {
				m.again(t)
				worst = max(worst, m.killOnce(t))
			}
			t.Logf("longest time until the mountpoint was usable, of %d kills: %v", rounds, worst)
			assert.Len(t, socketsOf(uid), sockets, "control sockets of the dead")
			m.again(t)
			out, err := m.umount()
			assert.NoError(t, err, out)
		})
	}
}

// again mounts where a mount was before, and finds nothing of it.
func (m *live) again(t *testing.T) {
	t.Helper()
	args := []string{"--size=256m", m.dir}
	if m.by != m.owner {
		args = append(args, fmt.Sprint("--uid=", m.owner), fmt.Sprint("--gid=", m.owner))
	}
	out, err := m.tool("mount", args...)
	require.NoError(t, err, "the next mount: %s", out)
	s := m.status(t)
	m.pid = s.PID
	assert.EqualValues(t, 1, s.Inodes, "nothing but the root")
}

// socketsOf lists the control sockets of a user's daemons in these tests.
func socketsOf(uid int) []string {
	folder := filepath.Join(suite.Base, "log", ".local", "state", "safetmp")
	if uid == root {
		return nil // root's folder is that of the machine, where others come and go
	}
	found, _ := filepath.Glob(folder + "/*.sock")
	return found
}

// killOnce starts writers, kills the daemon while they write, and checks what
// users find. It returns how long the mountpoint was not usable.
func (m *live) killOnce(t *testing.T) time.Duration {
	t.Helper()
	writers := []*partner{startPartner(t, m.owner, "writer", m.dir), startPartner(t, m.owner, "writer", m.dir)}
	time.Sleep(time.Duration(rand.Int64N(int64(60 * time.Millisecond))))
	begun := time.Now()
	require.NoError(t, unix.Kill(m.pid, unix.SIGKILL))
	usable := func() bool {
		entries, err := os.ReadDir(m.dir)
		return err == nil && len(entries) == 0 && m.info() == nil
	}
	require.Eventually(t, func() bool { return as(m.owner, func() error { return errorUnless(usable()) }) == nil },
		promised(), time.Millisecond, "the mountpoint is an empty folder")
	took := time.Since(begun)
	assert.EqualValues(t, 0o500, modeOf(t, m.dir))
	assert.ErrorIs(t, as(m.owner, func() error { return os.WriteFile(m.dir+"/unsafe", nil, 0o600) }), unix.EACCES)
	for _, w := range writers {
		assert.NotEmpty(t, awaitExit(t, w), "the writers are told")
	}
	assert.Eventually(t, func() bool { return len(processesOf(m.dir)) == 0 }, promised(), time.Millisecond, "processes of safetmp")
	return took
}

func errorUnless(ok bool) error {
	if !ok {
		return unix.EAGAIN
	}
	return nil
}

// modeOf is the permission bits of a folder.
func modeOf(t testing.TB, dir string) uint32 {
	t.Helper()
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(dir, &stat))
	return stat.Mode & 0o7777
}

// awaitExit waits for a helper to fail by itself, and returns how it did.
func awaitExit(t testing.TB, p *partner) string {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return err.Error()
		}
		return ""
	case <-time.After(promised()):
		t.Error("a writer hangs")
		return "hangs"
	}
}

// TestKilledWithItsWatcher: where both are killed, as by an out-of-memory kill
// of a whole cgroup, the dead mount stays, and the next mount clears it.
func TestKilledWithItsWatcher(t *testing.T) {
	for _, uid := range mounters() {
		t.Run(fmt.Sprint("by ", uid), func(t *testing.T) {
			m := background(t, uid, "--size=16m")
			of := processesOf(m.dir)
			require.Contains(t, of, "watch")
			require.NoError(t, unix.Kill(of["watch"], unix.SIGSTOP)) // so that both die at once
			require.NoError(t, unix.Kill(m.pid, unix.SIGKILL))
			require.NoError(t, unix.Kill(of["watch"], unix.SIGKILL))
			m.gone(t)
			require.NotNil(t, m.info(), "the dead mount is there")
			out, err := m.tool("mount", "--size=16m", m.dir)
			require.NoError(t, err, out)
			require.NoError(t, as(uid, func() error { return os.WriteFile(m.dir+"/works", []byte("x"), 0o600) }))
			out, err = m.umount()
			assert.NoError(t, err, out)
		})
	}
}

// TestWatcherKilled: the filesystem does not mind, and every way out works.
func TestWatcherKilled(t *testing.T) {
	ways := map[string]func(t *testing.T, m *live){
		"safetmp umount": func(t *testing.T, m *live) {
			out, err := m.umount()
			assert.NoError(t, err, out)
		},
		"umount": func(t *testing.T, m *live) { require.NoError(t, unix.Unmount(m.dir, 0)) },
	}
	for _, uid := range mounters() {
		for name, leave := range ways {
			if uid != root && name == "umount" {
				leave = func(t *testing.T, m *live) {
					out, err := boundedOutput(command(uid, needProgram(t, "fusermount3"), "-u", m.dir), stopBound)
					require.NoError(t, err, "%s", out)
				}
			}
			t.Run(fmt.Sprint(name, " by ", uid), func(t *testing.T) {
				m := background(t, uid, "--size=16m")
				of := processesOf(m.dir)
				require.NoError(t, unix.Kill(of["watch"], unix.SIGKILL))
				require.NoError(t, as(uid, func() error { return os.WriteFile(m.dir+"/goes-on", []byte("x"), 0o600) }))
				leave(t, m)
				m.gone(t)
				assert.Nil(t, m.info())
			})
		}
	}
}

// TestMountpointMode: the mountpoint's own mode is closed while it is covered,
// and is as it was found afterwards, whoever unmounts.
func TestMountpointMode(t *testing.T) {
	for _, uid := range mounters() {
		t.Run(fmt.Sprint("by ", uid), func(t *testing.T) {
			m := background(t, uid, "--size=16m")
			out, err := m.umount()
			require.NoError(t, err, out)
			for _, mode := range []uint32{0o755, 0o2770, 0o500} {
				require.NoError(t, unix.Chmod(m.dir, mode))
				fd, err := unix.Open(m.dir, unix.O_PATH|unix.O_CLOEXEC, 0)
				require.NoError(t, err)
				out, err := m.tool("mount", "--size=16m", m.dir)
				require.NoError(t, err, out)
				var below unix.Stat_t
				assert.NoError(t, unix.Fstat(fd, &below))
				assert.EqualValues(t, 0o500, below.Mode&0o7777)
				assert.NoError(t, unix.Close(fd))
				out, err = m.umount()
				require.NoError(t, err, out)
				assert.Equal(t, mode, modeOf(t, m.dir))
			}
		})
	}
}

// TestLateWatcher: the kernel gives the numbers of a mount to the next one. A
// watcher that comes to look at its own only then leaves that one alone, whoever
// the owner is and whatever became of its daemon.
func TestLateWatcher(t *testing.T) {
	needRoot(t)
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed ", killed), func(t *testing.T) {
			owner := []string{"--size=16m", fmt.Sprint("--uid=", victim), fmt.Sprint("--gid=", victim)}
			first := background(t, root, owner...)
			before, err := mount.Find(first.dir)
			require.NoError(t, err)
			if before.Unique == 0 {
				t.Skip("before Linux 6.8 nothing tells them apart")
			}
			watcher := processesOf(first.dir)["watch"]
			launchtest.Stop(t, watcher)
			if killed {
				require.NoError(t, unix.Kill(first.pid, unix.SIGKILL))
				first.gone(t)
			}
			require.NoError(t, unix.Unmount(first.dir, 0))
			second := background(t, root, owner...)
			after, err := mount.Find(second.dir)
			require.NoError(t, err)
			t.Logf("same numbers: %t", before.ID == after.ID && before.Device == after.Device)
			require.NoError(t, unix.Kill(watcher, unix.SIGCONT))
			assert.Eventually(t, func() bool { return len(processesOf(first.dir)) == 0 }, stopBound, time.Millisecond)
			require.NotNil(t, second.info(), "the next mount is there")
			out, err := second.umount()
			assert.NoError(t, err, out)
		})
	}
}
