//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// shortTTL is the time to live of these tests; lateBy is what a busy machine may
// add to it.
const (
	shortTTL = 500 * time.Millisecond
	lateBy   = 20 * time.Second
)

// lifetimeMounts are the kinds of mount that cache names differently.
func lifetimeMounts() map[string][]mountOption {
	kinds := map[string][]mountOption{
		"private":   nil,
		"requested": {options("names=requested")},
		"all":       {options("names=all")},
		"encrypted": {options("encrypt=on")},
	}
	if os.Getuid() == root {
		kinds["shared"] = []mountOption{options("shared"), func(c *mountConfig) { c.owner = root }}
		kinds["by the user"] = []mountOption{mountedBy(victim)}
	}
	return kinds
}

// vanishes waits until a path means nothing any more.
func (m *live) vanishes(t testing.TB, path, why string) {
	t.Helper()
	assert.NoError(t, as(m.owner, func() error {
		deadline := time.Now().Add(shortTTL + lateBy)
		for {
			_, err := os.Lstat(path)
			switch {
			case errors.Is(err, unix.ENOENT):
				_, err = os.Open(path)
				assert.ErrorIs(t, err, unix.ENOENT, "%s: %s", path, why)
				return nil
			case err != nil:
				return err
			case time.Now().After(deadline):
				return fmt.Errorf("%s is still there: %s", path, why)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}))
}

func (m *live) stays(t testing.TB, path, why string) {
	t.Helper()
	assert.NoError(t, as(m.owner, func() error { _, err := os.Lstat(path); return err }), why)
}

// mapped maps a file shared and closes it.
func mapped(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// TestTTL: what is not used goes with all that is below it, under every name and
// whatever the kernel has cached; what is open, mapped or locked stays, and with it
// everything beside it in the same entry.
func TestTTL(t *testing.T) {
	for name, opts := range lifetimeMounts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mountTest(t, append([]mountOption{options("ttl=" + shortTTL.String())}, opts...)...)
			at := func(parts ...string) string { return filepath.Join(append([]string{m.dir}, parts...)...) }
			var held *os.File
			var pages []byte
			listed := []string{}
			require.NoError(t, as(m.owner, func() error {
				err := errors.Join(
					os.WriteFile(at("idle"), make([]byte, 100_000), 0o600),
					os.MkdirAll(at("tree", "sub"), 0o700), os.WriteFile(at("tree", "sub", "inner"), []byte("x"), 0o600),
					os.MkdirAll(at("busy", "sub"), 0o700), os.WriteFile(at("busy", "sub", "open"), []byte("x"), 0o600),
					os.WriteFile(at("busy", "beside"), []byte("x"), 0o600),
					os.WriteFile(at("mapped"), make([]byte, 4096), 0o600),
				)
				if err != nil {
					return err
				}
				if held, err = os.OpenFile(at("busy", "sub", "open"), os.O_RDWR, 0); err != nil {
					return err
				}
				if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
					return err
				}
				if pages, err = mapped(at("mapped")); err != nil {
					return err
				}
				// Fill the kernel's caches.
				return filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
					listed = append(listed, path)
					_, statErr := os.Lstat(path)
					return errors.Join(err, statErr)
				})
			}))
			require.Greater(t, len(listed), 6)
			m.vanishes(t, at("idle"), "unused")
			m.vanishes(t, at("tree", "sub", "inner"), "unused")
			m.vanishes(t, at("tree"), "unused")
			time.Sleep(shortTTL)
			m.stays(t, at("busy", "beside"), "beside a file that is open")
			m.stays(t, at("mapped"), "mapped")
			assert.NoError(t, as(m.owner, func() error {
				pages[0] = 'm'
				data, err := os.ReadFile(at("mapped"))
				assert.Equal(t, byte('m'), data[0])
				return err
			}))
			require.NoError(t, held.Close())
			require.NoError(t, unix.Munmap(pages))
			for _, path := range append(listed[1:], at("busy"), at("mapped")) {
				m.vanishes(t, path, "closed, unmapped")
			}
			assert.EqualValues(t, 1, m.settled(t, 1), "all inodes are given back")
		})
	}
}

// TestTTLRace: a file that is opened in time is never lost, however close to its
// end that is; one that is not is gone, and nothing else is ever answered.
func TestTTLRace(t *testing.T) {
	ttl := 100 * time.Millisecond
	m := mountTest(t, options("ttl="+ttl.String()))
	var inTime, late atomic.Int64
	var racers sync.WaitGroup
	end := time.Now().Add(4 * time.Second)
	for racer := range 8 {
		racers.Go(func() {
			assert.NoError(t, as(m.owner, func() error {
				for round := 0; time.Now().Before(end); round++ {
					won, err := raceOnce(filepath.Join(m.dir, fmt.Sprint(racer, "-", round)), ttl)
					if err != nil {
						return fmt.Errorf("round %d: %w", round, err)
					}
					if won {
						inTime.Add(1)
					} else {
						late.Add(1)
					}
				}
				return nil
			}))
		})
	}
	racers.Wait()
	t.Logf("%d opened in time, %d late", inTime.Load(), late.Load())
	assert.Positive(t, inTime.Load())
	assert.Positive(t, late.Load())
}

// raceOnce opens a file at about the time it goes, and says whether it got it.
func raceOnce(path string, ttl time.Duration) (won bool, err error) {
	if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
		return false, err
	}
	time.Sleep(ttl + time.Duration(rand.Int64N(int64(ttl/4))) - ttl/8)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	for range 3 {
		time.Sleep(ttl / 2)
		data, err := os.ReadFile(path)
		if err != nil || string(data) != "kept" {
			return true, fmt.Errorf("open and lost: %q, %w", data, err)
		}
	}
	return true, nil
}

// TestTTLWipes: what expired is overwritten.
func TestTTLWipes(t *testing.T) {
	w := mountMarked(t, func(path string, content []byte) error { return os.WriteFile(path, content, 0o600) }, options("ttl=3s"))
	for i := range w.markers {
		assert.Eventually(t, func() bool {
			return as(w.m.owner, func() error { _, err := os.Lstat(w.path(i)); return err }) != nil
		}, 3*time.Second+lateBy, 20*time.Millisecond)
	}
	w.eventuallyGone(t)
	w.isGone(t)
}

// TestDeleteOnClose: a file goes with its last descriptor, in whatever process and
// of whatever kind that is, and not before.
func TestDeleteOnClose(t *testing.T) {
	for name, opts := range lifetimeMounts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mountTest(t, append([]mountOption{options("delete_on_close")}, opts...)...)
			dir := filepath.Join(m.dir, "dir")
			require.NoError(t, as(m.owner, func() error { return os.Mkdir(dir, 0o700) }))
			for _, path := range []string{filepath.Join(m.dir, "top"), filepath.Join(dir, "below")} {
				m.deletesOnClose(t, path)
			}
			m.stays(t, dir, "directories do not go")
			assert.EqualValues(t, 2, m.settled(t, 2), "all files are given back")
			assert.Positive(t, m.status(t).Removed["delete-on-close"])
		})
	}
}

// settled waits for a number of inodes, and returns how many there are.
func (m *live) settled(t testing.TB, want int64) int64 {
	t.Helper()
	deadline := time.Now().Add(lateBy)
	for {
		if n := m.status(t).Inodes; n == want || time.Now().After(deadline) {
			return n
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (m *live) deletesOnClose(t *testing.T, path string) {
	var f, second *os.File
	var pages []byte
	require.NoError(t, as(m.owner, func() (err error) {
		if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return err
		}
		if _, err = f.Write(make([]byte, 4096)); err != nil {
			return err
		}
		if second, err = os.Open(path); err != nil {
			return fmt.Errorf("by name while it is open: %w", err)
		}
		pages, err = mapped(path)
		return err
	}))
	require.NoError(t, f.Close())
	m.stays(t, path, "a second descriptor is open")
	require.NoError(t, second.Close())
	m.stays(t, path, "it is mapped")
	require.NoError(t, unix.Munmap(pages))
	m.vanishes(t, path, "nobody has it open")

	inherited := helperCommand(m.owner, "keeper", path)
	keeper := startedPartner(t, inherited)
	require.Equal(t, "ok", keeper.ask(t, "fork"))
	require.NoError(t, keeper.cmd.Process.Kill())
	_ = keeper.cmd.Wait()
	time.Sleep(100 * time.Millisecond)
	m.stays(t, path, "a child has inherited it")
	m.vanishes(t, path, "the child has ended")
}

// A keeper creates a file; asked to, it starts a child that has it open a while longer.
func init() {
	helpers["keeper"] = func(args []string) error {
		f, err := os.OpenFile(args[0], os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		return serve(func(string) string {
			child := command(os.Getuid(), "sleep", "1")
			child.ExtraFiles = []*os.File{f}
			return errname(child.Start())
		})
	}
}

// session starts a shell script as a session of its own, which then takes one
// line more and ends when its standard input does.
func (m *live) session(t testing.TB, uid int, script string) *partner {
	t.Helper()
	cmd := command(uid, "sh", "-c", script+`
echo ready; read -r line; eval "$line"; read line`)
	cmd.Env = []string{"M=" + m.dir, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
	return startedPartner(t, cmd)
}

// TestOwnerExit: what a session made goes with its last process; others keep theirs,
// and what they have open of it.
func TestOwnerExit(t *testing.T) {
	for name, opts := range lifetimeMounts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mountTest(t, append([]mountOption{options("owner_exit")}, opts...)...)
			first := m.session(t, m.owner, `echo one >$M/first; mkdir -p $M/tree/sub; echo deep >$M/tree/sub/inner; sleep 60 >/dev/null & :`)
			m.session(t, m.owner, `echo two >$M/second`)
			var open *os.File
			require.NoError(t, as(m.owner, func() (err error) {
				open, err = os.Open(m.dir + "/first")
				return err
			}))
			defer open.Close()
			cwd := m.session(t, m.owner, `cd $M/tree/sub; cat inner >/dev/null`)
			require.NoError(t, first.cmd.Process.Kill())
			_ = first.cmd.Wait()
			time.Sleep(1500 * time.Millisecond)
			m.stays(t, m.dir+"/first", "a process of the session is left")
			endSession(t, first.cmd.Process.Pid)
			for _, path := range []string{"/first", "/tree/sub/inner", "/tree"} {
				m.vanishes(t, m.dir+path, "the session has ended")
			}
			m.stays(t, m.dir+"/second", "another session's")
			var content [8]byte
			n, err := open.ReadAt(content[:], 0)
			assert.Equal(t, "one\n", string(content[:n]), "%v", err)
			assert.Equal(t, "left:", cwd.ask(t, `echo "left:$(cat inner 2>/dev/null)$(ls -A)"`), "in a directory that has gone there is nothing")
		})
	}
}

// endSession kills every process of a session.
func endSession(t testing.TB, sid int) {
	t.Helper()
	killed := 0
	for _, pid := range hosttest.Processes() {
		if of, err := unix.Getsid(pid); err == nil && of == sid {
			require.NoError(t, unix.Kill(pid, unix.SIGKILL))
			killed++
		}
	}
	require.Positive(t, killed)
}

// TestLifetimesInRun: the daemon of run, hardened, sees sessions and opens as well.
func TestLifetimesInRun(t *testing.T) {
	for _, uid := range runUsers() {
		t.Run(fmt.Sprint("as ", uid), func(t *testing.T) {
			t.Parallel()
			out, code := safetmpRun(t, uid, `cd "$TMPDIR"
				echo mine >mine; exec 3<mine
				setsid sh -c 'echo theirs >theirs; cat theirs'
				sleep 2; cat theirs 2>/dev/null || echo gone
				sleep 2; cat mine; exec 3<&-
				sleep 4; cat mine 2>/dev/null || echo expired`, "--owner-exit", "--ttl=3s")
			assert.Zero(t, code, out)
			assert.Equal(t, []string{"theirs", "gone", "mine", "expired"}, strings.Fields(out))
		})
	}
}

// TestLifetimesAreShown: status, ls and the log tell of them; what makes no sense is
// refused.
func TestLifetimesAreShown(t *testing.T) {
	m := mountTest(t, options("ttl=1h", "delete_on_close", "owner_exit"))
	var f *os.File
	require.NoError(t, as(m.owner, func() (err error) {
		f, err = os.Create(m.dir + "/held")
		return errors.Join(err, os.Mkdir(m.dir+"/idle", 0o700))
	}))
	out, err := m.tool("ls", "--json", m.dir)
	require.NoError(t, err, out)
	var listed []struct {
		Requested string    `json:"requested"`
		InUse     bool      `json:"in_use"`
		Expires   time.Time `json:"expires"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &listed))
	require.Len(t, listed, 2)
	for _, entry := range listed {
		if assert.Equal(t, entry.Requested == "held", entry.InUse) && !entry.InUse {
			assert.WithinDuration(t, time.Now().Add(time.Hour), entry.Expires, time.Minute)
		}
	}
	out, err = m.tool("ls", m.dir)
	require.NoError(t, err, out)
	assert.Contains(t, out, "in use")
	assert.Contains(t, out, "59m")
	require.NoError(t, f.Close())
	m.vanishes(t, m.dir+"/held", "closed")
	out, err = m.tool("status", m.dir)
	require.NoError(t, err, out)
	assert.Contains(t, out, "ttl 1h, delete on close, owner exit")
	assert.Contains(t, out, "delete-on-close 1")
	assert.Eventually(t, func() bool { return strings.Contains(m.logTail(), "lifetime=delete-on-close entries=1") }, lateBy, 10*time.Millisecond)

	for _, bad := range []string{"--ttl=0", "--ttl=10", "--ttl=1ms", "--ttl=soon", "--delete-on-close=1"} {
		out, err := m.tool("mount", bad, m.dir)
		assert.Equal(t, 2, hosttest.ExitStatus(err), "%s: %s", bad, out)
		assert.Contains(t, out, strings.SplitN(bad, "=", 2)[0])
	}
}
