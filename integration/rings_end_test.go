//go:build linux

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// rounds is longer in a soak.
func rounds(n int) int {
	if os.Getenv("SOAK") != "" {
		return 25 * n
	}
	return n
}

// TestRingsEndUnderLoad: however a mount ends, at any moment, whoever uses it
// gets an error and nobody waits.
func TestRingsEndUnderLoad(t *testing.T) {
	offerRings(t)
	for name, end := range map[string]func(t *testing.T, m *live){
		"killed": func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGKILL)) },
		"aborted": func(t *testing.T, m *live) {
			require.NoError(t, hosttest.Abort(m.minor))
		},
		"forced": func(t *testing.T, m *live) {
			out, err := m.umount("--force")
			require.NoError(t, err, out)
		},
		"terminated": func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGTERM)) },
		"detached, then killed": func(t *testing.T, m *live) {
			require.NoError(t, unix.Unmount(m.dir, unix.MNT_DETACH))
			require.NoError(t, unix.Kill(m.pid, unix.SIGKILL))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := ringMount(t)
			for range rounds(endRounds) {
				code, out := m.mount(plainly, "uring")
				require.Zero(t, code, out)
				m.pid = m.status(t).PID
				wait := m.load(t)
				time.Sleep(rand.N(2 * loadedBefore))
				end(t, m)
				wait(t)
				m.gone(t)
				assert.Eventually(t, func() bool { return m.info() == nil }, answerBound, time.Millisecond, "the dead mount goes away")
			}
		})
	}
}

// TestRingsEndWhileStarting: the daemon is killed, or the mount taken away, at
// any moment of a start.
func TestRingsEndWhileStarting(t *testing.T) {
	offerRings(t)
	for i := range rounds(30) {
		m := ringMount(t)
		cmd := plainly(suite.bin, "mount", "-f", "--size=16m", "--transport=uring", ownerWords(m.owner), m.dir)
		require.NoError(t, cmd.Start())
		var use *os.Process
		if i%2 == 0 {
			user := command(root, "stat", "-f", m.dir)
			require.NoError(t, user.Start())
			use = user.Process
		}
		time.Sleep(rand.N(40 * time.Millisecond))
		if i%3 == 0 && m.info() != nil {
			_ = unix.Unmount(m.dir, unix.MNT_DETACH)
		}
		require.NoError(t, cmd.Process.Kill())
		done := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			if use != nil {
				_, _ = use.Wait()
			}
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(answerBound):
			require.Fail(t, "somebody still waits")
		}
		assert.Eventually(t, func() bool {
			if m.info() != nil {
				_ = unix.Unmount(m.dir, unix.MNT_DETACH) // no watcher yet
			}
			return m.info() == nil && len(processesOf(m.dir)) == 0
		}, answerBound, 2*time.Millisecond)
	}
}

// TestRingsSuspended: a daemon that is stopped and goes on, by signal and by the
// freezer, loses nothing, and one that is killed while stopped lets everybody go.
func TestRingsSuspended(t *testing.T) {
	offerRings(t)
	stop := map[string][2]func(t *testing.T, m *live){
		"by signal": {
			func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGSTOP)) },
			func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGCONT)) },
		},
		"by freezer": {
			func(t *testing.T, m *live) { m.freeze(t, "FROZEN", "1") },
			func(t *testing.T, m *live) { m.freeze(t, "THAWED", "0") },
		},
	}
	for name, s := range stop {
		t.Run(name, func(t *testing.T) {
			m := ringMount(t)
			code, out := m.mount(plainly, "uring")
			require.Zero(t, code, out)
			m.answers(t)
			wait := m.load(t)
			for range 5 {
				time.Sleep(rand.N(loadedBefore))
				s[0](t, m)
				time.Sleep(rand.N(loadedBefore))
				s[1](t, m)
				m.answersUnderLoad(t)
			}
			s[0](t, m)
			require.NoError(t, unix.Kill(m.pid, unix.SIGKILL))
			s[1](t, m)
			wait(t)
			m.gone(t)
		})
	}
}

// freeze puts the daemon into a cgroup of its own and sets its state.
func (m *live) freeze(t *testing.T, v1, v2 string) {
	t.Helper()
	old := filepath.Join("/sys/fs/cgroup/freezer", fmt.Sprint("safetmp-it-", os.Getpid()))
	group, file, state := old, "freezer.state", v1
	if _, err := os.Stat("/sys/fs/cgroup/freezer"); err != nil {
		group, file, state = filepath.Join("/sys/fs/cgroup", filepath.Base(old)), "cgroup.freeze", v2
	}
	if err := os.Mkdir(group, 0o755); err == nil {
		t.Cleanup(func() {
			assert.Eventually(t, func() bool { return os.Remove(group) == nil }, answerBound, 10*time.Millisecond)
		})
	}
	if m.alive() {
		require.NoError(t, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(fmt.Sprint(m.pid)), 0))
	}
	require.NoError(t, os.WriteFile(filepath.Join(group, file), []byte(state), 0))
}

func (m *live) alive() bool { return unix.Kill(m.pid, 0) == nil }

// answersUnderLoad asks once while others use the mount.
func (m *live) answersUnderLoad(t *testing.T) {
	t.Helper()
	out, err := boundedOutput(command(m.owner, "sh", "-euc", `echo text >"$0/own"; cat "$0/own"`, m.dir), answerBound)
	require.NoError(t, err, "%s", out)
	require.Equal(t, "text\n", string(out))
}
