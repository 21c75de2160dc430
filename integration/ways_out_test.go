//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
	"safetmp/internal/launch/launchtest"
)

// soak says that the long versions are to be run.
var soak = os.Getenv("SOAK") == "1"

// count is how often to do something: in a soak, and otherwise.
func count(long, short int) int {
	switch {
	case soak:
		return long
	case hosttest.Race:
		return max(1, short/5) // a process under the race detector takes a second to start
	}
	return short
}

// A reader reads a file each time it is asked to.
func init() {
	helpers["reader"] = func(args []string) error {
		return serve(func(string) string {
			fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
			if err != nil {
				return errname(err)
			}
			defer unix.Close(fd)
			page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
			if err != nil {
				return errname(err)
			}
			n, err := unix.Pread(fd, page, 0)
			if err != nil {
				return errname(err)
			}
			return string(page[:n])
		})
	}
}

// stop stops the daemon, and returns when each of its threads has stopped.
func (m *live) stop(t testing.TB) {
	t.Helper()
	launchtest.Stop(t, m.pid)
}

// TestSuspended: a daemon that was stopped lets its users wait, and serves them
// when it goes on; nothing is lost, and it ends as ever.
func TestSuspended(t *testing.T) {
	for _, uid := range mounters() {
		t.Run(fmt.Sprint("by ", uid), func(t *testing.T) {
			m := background(t, uid, "--size=16m")
			path := m.dir + "/file"
			require.NoError(t, as(uid, func() error { return os.WriteFile(path, []byte("still here"), 0o600) }))
			reader := startPartner(t, uid, "reader", path)
			require.Equal(t, "still here", reader.ask(t, "read"))
			m.stop(t)
			answer := make(chan string, 1)
			go func() { answer <- reader.ask(t, "read") }()
			select {
			case got := <-answer:
				assert.Fail(t, "answered by a stopped daemon", got)
			case <-time.After(300 * time.Millisecond):
			}
			require.NoError(t, unix.Kill(m.pid, unix.SIGCONT))
			select {
			case got := <-answer:
				assert.Equal(t, "still here", got)
			case <-time.After(stopBound):
				require.Fail(t, "no answer after SIGCONT")
			}
			out, err := m.umount()
			assert.NoError(t, err, out)
			assert.Contains(t, out, "overwritten")
			m.gone(t)
		})
	}
}

// TestForceWhileSuspended: a daemon that hangs does not hold up a forced unmount
// for longer than it takes to find that out; told to go on it wipes and exits.
func TestForceWhileSuspended(t *testing.T) {
	const codeWipeUncertain = 20
	for _, uid := range mounters() {
		t.Run(fmt.Sprint("by ", uid), func(t *testing.T) {
			t.Parallel()
			m := background(t, uid, "--size=16m")
			path := m.dir + "/held"
			require.NoError(t, as(uid, func() error { return os.WriteFile(path, []byte("x"), 0o600) }))
			startPartner(t, uid, "holder", path)
			m.stop(t)
			start := time.Now()
			out, err := m.umount("--force")
			took := time.Since(start)
			assert.Equal(t, codeWipeUncertain, hosttest.ExitStatus(err), out)
			assert.Contains(t, out, "did not answer")
			assert.Nil(t, m.info())
			t.Logf("took %v", took)
			assert.Less(t, took, 15*time.Second)
			require.NoError(t, unix.Kill(m.pid, unix.SIGCONT))
			m.gone(t)
		})
	}
}

// TestHungDaemonIsAlone: a daemon that hangs does not hold up what is asked of other
// mounts of the same user.
func TestHungDaemonIsAlone(t *testing.T) {
	hung, m := background(t, user(), "--size=16m"), background(t, user(), "--size=16m")
	hung.stop(t)
	start := time.Now()
	m.status(t)
	out, err := m.umount()
	assert.NoError(t, err, out)
	assert.Less(t, time.Since(start), 4*time.Second, "the time that asking the other one takes is 5s")
	require.NoError(t, unix.Kill(hung.pid, unix.SIGCONT))
	out, err = hung.umount()
	assert.NoError(t, err, out)
	m.gone(t)
	hung.gone(t)
}

// TestLazyUnmount: what is open goes on after a lazy unmount, status says that the
// wipe is still to come, and it comes with the last close.
func TestLazyUnmount(t *testing.T) {
	ways := map[int][]string{root: {"umount", "-l"}, victim: {"fusermount3", "-uz"}}
	for _, uid := range mounters() {
		way := ways[uid]
		if way == nil {
			way = ways[victim]
		}
		t.Run(strings.Join(way, " "), func(t *testing.T) {
			hold := newHold(t)
			m := mountTest(t, mountedBy(uid), hold.option())
			mark := newMarker(t)
			path := m.dir + "/held"
			require.NoError(t, as(uid, func() error { return os.WriteFile(path, mark.fill(100_000), 0o600) }))
			holder := startPartner(t, uid, "holder", path)
			out, err := boundedOutput(command(uid, needProgram(t, way[0]), way[1], m.dir), stopBound)
			require.NoError(t, err, "%s", out)
			assert.Nil(t, m.info())
			assert.Equal(t, "ok", holder.ask(t, "read"), "what is open goes on")
			listed, err := m.tool("status")
			assert.NoError(t, err)
			assert.Regexp(t, m.dir+` .*detached: wiped when its last file is closed`, listed)
			select {
			case <-m.exited:
				assert.Fail(t, "the daemon has left an open file")
			case <-time.After(200 * time.Millisecond):
			}
			require.Equal(t, "ok", holder.ask(t, "close"))
			hold.wait(t)
			assert.Zero(t, scan(t, m.pid, mark).copies[mark], "wiped at the last close")
			hold.release()
			m.waitExit(t)
		})
	}
}

// TestUmountProgress: a large unmount shows on a terminal how far it is, and leaves
// one line; where there is no terminal there is the line alone.
func TestUmountProgress(t *testing.T) {
	const size = 1 << 30
	for _, onTerminal := range []bool{true, false} {
		t.Run(fmt.Sprint("terminal ", onTerminal), func(t *testing.T) {
			m := background(t, user(), "--size=1100m")
			require.NoError(t, as(user(), func() error {
				f, err := os.Create(m.dir + "/large")
				if err != nil {
					return err
				}
				defer f.Close()
				return unix.Fallocate(int(f.Fd()), 0, 0, size)
			}))
			cmd := command(user(), suite.bin, "umount", m.dir)
			cmd.Env = daemonEnv(nil)
			var out []byte
			var err error
			if onTerminal {
				master, slave := hosttest.OpenPTY(t)
				cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
				require.NoError(t, cmd.Start())
				require.NoError(t, slave.Close())
				atOnce := slowDown(t, m.pid)
				err = cmd.Wait()
				atOnce()
				out = drain(master)
			} else {
				out, err = boundedOutput(cmd, stopBound)
			}
			require.NoError(t, err, "%s", out)
			lines := bytes.Split(out, []byte("\x1b[K"))
			assert.Regexp(t, `unmounted .*: 1\.0 GiB overwritten in .*`, string(lines[len(lines)-1]))
			assert.Equal(t, onTerminal, bytes.Contains(out, []byte("GiB overwritten\x1b[K")), "%q", out)
			m.gone(t)
		})
	}
}

// slowDown suspends a process again and again, so that what is over in an instant on a fast machine can be watched. It
// runs at its own speed again, if it is still there, once the returned function was called.
func slowDown(t *testing.T, pid int) (end func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for !closed(quit) {
			_ = unix.Kill(pid, unix.SIGSTOP)
			time.Sleep(20 * time.Millisecond)
			_ = unix.Kill(pid, unix.SIGCONT)
			time.Sleep(3 * time.Millisecond)
		}
	}()
	end = sync.OnceFunc(func() { close(quit); <-done })
	t.Cleanup(end)
	return end
}

// drain reads what was written to a terminal whose other end is closed.
func drain(master *os.File) []byte {
	var out []byte
	buf := make([]byte, 4096)
	for {
		n, err := master.Read(buf)
		out = append(out, buf[:n]...)
		if err != nil {
			return out // EIO
		}
	}
}

// TestManyAtOnce starts, uses and ends many mounts at the same time: two hundred in
// a soak.
func TestManyAtOnce(t *testing.T) {
	needSafetmp(t)
	mounts := make([]*live, count(200, 40))
	for i := range mounts {
		number := mountCount.Add(1)
		mounts[i] = &live{dir: filepath.Join(suite.Base, "m", fmt.Sprint(number)), by: user(), owner: user()}
		require.NoError(t, os.Mkdir(mounts[i].dir, 0o700))
		require.NoError(t, os.Chown(mounts[i].dir, user(), user()))
	}
	start := time.Now()
	atOnce(mounts, func(m *live) {
		out, err := m.tool("mount", "--size=16m", m.dir)
		assert.NoError(t, err, out)
		assert.NoError(t, as(m.owner, func() error { return os.WriteFile(m.dir+"/mine", []byte(m.dir), 0o600) }))
	})
	mounted := time.Now()
	out, err := mounts[0].tool("status")
	assert.NoError(t, err)
	for _, m := range mounts {
		assert.Contains(t, out, m.dir+" ")
		assert.NoError(t, as(m.owner, func() error {
			data, err := os.ReadFile(m.dir + "/mine")
			assert.Equal(t, m.dir, string(data), "each its own")
			return err
		}))
	}
	ending := time.Now()
	atOnce(mounts, func(m *live) {
		out, err := m.umount()
		assert.NoError(t, err, out)
		assert.NoError(t, os.Remove(m.dir))
	})
	t.Logf("%d mounts at once: mounted in %v, unmounted in %v", len(mounts), mounted.Sub(start), time.Since(ending))
	assert.Eventually(t, func() bool { return len(hosttest.ProcessesFrom(suite.Base)) == 0 }, stopBound, 10*time.Millisecond, "processes")
}

// machine is what leaks of a mount would show in.
type machine struct {
	mounts, connections, processes int
	slab, available                int // KiB
}

func lookAtMachine(t testing.TB) machine {
	t.Helper()
	m := machine{mounts: len(hosttest.MountsBelow(suite.Base)), processes: len(hosttest.ProcessesFrom(suite.Base))}
	entries, _ := os.ReadDir(hosttest.Connections)
	m.connections = len(entries)
	text, err := os.ReadFile("/proc/meminfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "SUnreclaim: %d kB", &m.slab)
		_, _ = fmt.Sscanf(line, "MemAvailable: %d kB", &m.available)
	}
	return m
}

// TestManyCycles mounts, uses and unmounts one folder again and again, a thousand
// times in a soak: no mount, process, socket or temporary file is left of it, and the
// kernel holds no more than before.
func TestManyCycles(t *testing.T) {
	needSafetmp(t)
	cycles := count(1000, 50)
	uid := user()
	runtimeDir := filepath.Join(suite.Base, "log", "runtime")
	require.NoError(t, os.Mkdir(runtimeDir, 0o700))
	require.NoError(t, os.Chown(runtimeDir, uid, uid))
	dir := filepath.Join(suite.Base, "m", fmt.Sprint(mountCount.Add(1)))
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, uid, uid))
	before, start := lookAtMachine(t), time.Now()
	for round := range cycles {
		for _, args := range [][]string{{"mount", "--size=16m", dir}, {"umount", dir}} {
			cmd := command(uid, suite.bin, args...)
			cmd.Env = daemonEnv([]string{"XDG_RUNTIME_DIR=" + runtimeDir})
			out, err := boundedOutput(cmd, stopBound)
			require.NoError(t, err, "round %d: %v: %s", round, args, out)
			if args[0] == "mount" {
				require.NoError(t, as(uid, func() error { return os.WriteFile(dir+"/f", make([]byte, 100_000), 0o600) }))
			}
		}
	}
	took := time.Since(start)
	assert.Empty(t, hosttest.MountsBelow(suite.Base), "mounts")
	assert.Eventually(t, func() bool { return len(hosttest.ProcessesFrom(suite.Base)) == 0 }, stopBound, time.Millisecond, "processes")
	assert.Empty(t, below(t, runtimeDir), "control sockets")
	assert.NoError(t, os.Remove(dir))
	after := lookAtMachine(t)
	t.Logf("%d cycles in %v, %v each; before %+v, after %+v", cycles, took, took/time.Duration(cycles), before, after)
	if soak { // a few cycles are less than what the machine does by itself
		assert.Less(t, after.slab-before.slab, cycles*8, "unreclaimable slab, KiB: 8 for each cycle would be a leak")
	}
}
