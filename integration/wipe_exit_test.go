//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// exitHold is a FIFO at which a daemon with the test hooks stops, wiped, right
// before it exits.
type exitHold struct {
	path string
	fd   int
}

// newHold makes the FIFO where uid can open it.
func newHold(t testing.TB) *exitHold {
	t.Helper()
	path := filepath.Join(suite.Base, "log", fmt.Sprint("hold", mountCount.Add(1)))
	require.NoError(t, unix.Mkfifo(path, 0o666))
	return &exitHold{path: path, fd: -1}
}

func (h *exitHold) option() mountOption { return environ("SAFETMP_TEST_HOLD_EXIT=" + h.path) }

// wait returns once a daemon stands at the end of its life.
func (h *exitHold) wait(t testing.TB) {
	t.Helper()
	h.fd = open(t, h.path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	for deadline := time.Now().Add(stopBound); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if n, _ := unix.Read(h.fd, make([]byte, 1)); n == 1 {
			return
		}
	}
	t.Fatal("the daemon never came to its exit")
}

// release lets the daemon exit.
func (h *exitHold) release() { _ = unix.Close(h.fd) }

// TestWipeOnExit: on each way out nothing of the files, which exist to the
// end, is left in what the process held.
func TestWipeOnExit(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, m *live){
		"safetmp umount": func(t *testing.T, m *live) { go func() { _, _ = m.umount() }() },
		"umount":         func(t *testing.T, m *live) { require.NoError(t, unix.Unmount(m.dir, 0)) },
		"umount -l":      func(t *testing.T, m *live) { require.NoError(t, unix.Unmount(m.dir, unix.MNT_DETACH)) },
		"SIGTERM":        func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGTERM)) },
		"SIGINT":         func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGINT)) },
		"SIGHUP":         func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGHUP)) },
		"abort": func(t *testing.T, m *live) {
			require.NoError(t, hosttest.Abort(m.minor))
		},
	} {
		t.Run(name, func(t *testing.T) {
			hold := newHold(t)
			w := mountMarked(t, writePlainly, hold.option())
			leave(t, w.m)
			w.endsWiped(t, hold)
		})
	}
}

// endsWiped waits for the daemon to be about to exit and scans it then.
func (w *wiping) endsWiped(t *testing.T, hold *exitHold) {
	t.Helper()
	hold.wait(t)
	w.isGone(t)
	hold.release()
	<-w.m.exited
	w.m.expectExit = true
	assert.Nil(t, w.m.info(), "still mounted")
	_ = unix.Unmount(w.m.dir, unix.MNT_DETACH) // after an abort the dead mount may still be there
}

// TestWipeOnHelperUnmount: an ordinary user's mount ends through fusermount3.
func TestWipeOnHelperUnmount(t *testing.T) {
	needProgram(t, "fusermount3")
	hold := newHold(t)
	w := mountMarked(t, writePlainly, hold.option(), mountedBy(victim))
	out, err := boundedOutput(command(victim, "fusermount3", "-u", w.m.dir), stopBound)
	require.NoError(t, err, "%s", out)
	w.endsWiped(t, hold)
}

// TestWipeAfterLazyUnmount: the wipe comes with the last close, not before.
func TestWipeAfterLazyUnmount(t *testing.T) {
	hold := newHold(t)
	w := mountMarked(t, writePlainly, hold.option())
	fd := -1
	require.NoError(t, as(w.m.owner, func() (err error) {
		fd, err = unix.Open(w.path(0), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	}))
	require.NoError(t, unix.Unmount(w.m.dir, unix.MNT_DETACH))
	time.Sleep(200 * time.Millisecond)
	assert.Equal(t, string(w.markers[0].fill(wipeSizes[0])), pread(fd, 100, 0), "what is open goes on")
	assert.Positive(t, scan(t, w.m.pid, w.markers[0]).copies[w.markers[0]])
	require.NoError(t, unix.Close(fd))
	w.endsWiped(t, hold)
}

// TestWipeAfterForce: files are open and a process sits in the mount; --force
// ends it all the same.
func TestWipeAfterForce(t *testing.T) {
	hold := newHold(t)
	w := mountMarked(t, writePlainly, hold.option())
	holder := startPartner(t, w.m.owner, "holder", w.path(0))
	require.Equal(t, "ok", holder.ask(t, "read"))
	go func() { _, _ = w.m.umount("--force") }()
	w.endsWiped(t, hold)
	assert.NotEqual(t, "ok", holder.ask(t, "read"), "what was open is dead")
}

// A holder keeps a file open and works in its folder.
func init() {
	helpers["holder"] = func(args []string) error {
		if err := unix.Chdir(filepath.Dir(args[0])); err != nil {
			return err
		}
		fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return serve(func(line string) string {
			if line == "close" {
				if err := unix.Chdir("/"); err != nil {
					return errname(err)
				}
				return errname(unix.Close(fd))
			}
			page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
			if err != nil {
				return errname(err)
			}
			_, err = unix.Pread(fd, page, 0)
			return errname(err)
		})
	}
}

// TestWipeAfterPanic: a request that panics answers EIO, the mount goes on,
// and the end is as clean as any.
func TestWipeAfterPanic(t *testing.T) {
	hold := newHold(t)
	w := mountMarked(t, writePlainly, hold.option(), environ("SAFETMP_TEST_PANIC_NAME=boom"))
	require.NoError(t, as(w.m.owner, func() error {
		for range 5 {
			assert.Equal(t, "EIO", exists(w.m.dir+"/boom"))
			assert.Equal(t, "ok", exists(w.path(1)))
		}
		return os.WriteFile(w.m.dir+"/after", []byte("works"), 0o600)
	}))
	w.each(t, readBack)
	assert.Contains(t, w.m.logTail(), "panic", "the log tells")
	for _, m := range w.markers {
		assert.NotContains(t, w.m.logTail(), string(m[:]), "and shows no content")
	}
	require.NoError(t, unix.Kill(w.m.pid, unix.SIGTERM))
	w.endsWiped(t, hold)
}

// TestWipeAtEndOfRun: the files of a command are gone with it.
func TestWipeAtEndOfRun(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	for _, c := range []struct {
		uid     int
		encrypt string
	}{{victim, "off"}, {root, "off"}, {victim, "on"}} {
		uid := c.uid
		t.Run(fmt.Sprint("as ", uid, ", encrypt=", c.encrypt), func(t *testing.T) {
			hold := newHold(t)
			m := newMarker(t)
			source := filepath.Join(suite.Base, "log", fmt.Sprint("marked-", uid, c.encrypt))
			require.NoError(t, os.WriteFile(source, m.fill(2<<20), 0o644))
			// By descriptor: the command sees a /tmp of its own.
			script := `cat <&3 >"$TMPDIR/first"; cp "$TMPDIR/first" "$TMPDIR/second"; rm "$TMPDIR/second"; echo ready; read -r _`
			cmd := command(uid, suite.bin, "run", "--size=64m", "--encrypt="+c.encrypt, "--", "sh", "-euc", script)
			content, err := os.Open(source)
			require.NoError(t, err)
			defer content.Close()
			cmd.ExtraFiles = []*os.File{content}
			cmd.Env = daemonEnv([]string{"SAFETMP_TEST_HOLD_EXIT=" + hold.path})
			p := startedPartner(t, cmd)
			if c.encrypt == "off" {
				require.Positive(t, scanAll(t, m), "control: found while the command runs")
			} else {
				assert.Zero(t, scanAll(t, m), "copies while the command runs")
			}
			_, err = fmt.Fprintln(p.in, "end")
			require.NoError(t, err)
			hold.wait(t)
			assert.Zero(t, scanAll(t, m), "copies left in any process of safetmp")
			hold.release()
			assert.NoError(t, cmd.Wait())
		})
	}
}

// scanAll counts the copies of m in all processes of the binary under test.
func scanAll(t *testing.T, m marker) int {
	t.Helper()
	copies := 0
	for _, pid := range hosttest.Processes() {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil || !strings.HasPrefix(exe, suite.bin) {
			continue
		}
		found := forcedCore(t, pid, m)
		if found.copies[m] > 0 {
			t.Logf("process %d:\n%s", pid, found)
		}
		copies += found.copies[m]
	}
	return copies
}

// TestHooksAreNotInTheProduct: what these tests rely on is not there for an
// attacker: the binary that users get does not know the variables.
func TestHooksAreNotInTheProduct(t *testing.T) {
	needSafetmp(t)
	hooked, err := os.ReadFile(suite.bin)
	require.NoError(t, err)
	require.Contains(t, string(hooked), "SAFETMP_TEST_", "the control has them")
	product := filepath.Join(suite.Base, "bin", "product")
	require.NoError(t, build(product))
	data, err := os.ReadFile(product)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "SAFETMP_TEST_")
	assert.NoError(t, os.Remove(product))
}
