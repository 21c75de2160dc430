//go:build linux

package integration

import (
	"encoding/json"
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
)

// Exit codes of docs/operations.md that these tests meet.
const (
	codeBusy       = 18
	codeNotSafetmp = 19
)

// status is what scripts read of `safetmp status --json`.
type status struct {
	Mountpoint string            `json:"mountpoint"`
	PID        int               `json:"pid"`
	Profile    string            `json:"profile"`
	Enforcing  bool              `json:"enforcing"`
	Shared     bool              `json:"shared"`
	ShareRoot  bool              `json:"share_with_root"`
	Owner      int               `json:"owner_uid"`
	Bytes      int64             `json:"bytes"`
	Limit      int64             `json:"limit"`
	Inodes     int64             `json:"inodes"`
	InodeLimit int64             `json:"inode_limit"`
	Entries    int64             `json:"entries"`
	Refusals   map[string]uint64 `json:"refusals"`
	Changes    map[string]uint64 `json:"changes"`

	Transport       string            `json:"transport"`
	TransportReason string            `json:"transport_reason"`
	Removed         map[string]uint64 `json:"removed"`
	Locked          bool              `json:"locked"`
	Encrypted       bool              `json:"encrypted"`
	IOMode          string            `json:"io_mode"`
	Unswappable     bool              `json:"unswappable"`
	NoSUID          bool              `json:"nosuid"`
	NoDev           bool              `json:"nodev"`
}

// status asks the mount's daemon, as the user who mounted.
func (m *live) status(t testing.TB) status {
	t.Helper()
	out, err := m.tool("status", "--json", m.dir)
	require.NoError(t, err, out)
	var s status
	require.NoError(t, json.Unmarshal([]byte(out), &s), out)
	return s
}

// background mounts as users do: the command returns, a daemon stays.
func background(t testing.TB, by int, args ...string) *live {
	t.Helper()
	needSafetmp(t)
	number := mountCount.Add(1)
	m := &live{dir: filepath.Join(suite.Base, "m", fmt.Sprint(number)), by: by, owner: by}
	require.NoError(t, os.Mkdir(m.dir, 0o700))
	require.NoError(t, os.Chown(m.dir, by, by))
	t.Cleanup(func() {
		_ = unix.Unmount(m.dir, unix.MNT_DETACH)
		assert.NoError(t, os.Remove(m.dir))
	})
	out, err := m.tool("mount", append(args, m.dir)...)
	require.NoError(t, err, out)
	assert.Empty(t, out, "success is silent")
	m.pid = m.status(t).PID
	return m
}

// gone waits until the daemon, which is nobody's child here, has ended.
func (m *live) gone(t testing.TB) {
	t.Helper()
	exe := fmt.Sprintf("/proc/%d/exe", m.pid)
	assert.Eventually(t, func() bool {
		path, _ := os.Readlink(exe)
		return !strings.HasPrefix(path, suite.Base)
	}, stopBound, time.Millisecond, "the daemon ends")
}

// TestBackground: mount returns once the filesystem answers, its daemon is
// detached from the caller, umount returns once it is gone.
func TestBackground(t *testing.T) {
	users := []int{user()}
	if os.Getuid() == root {
		users = append(users, root)
	}
	for _, uid := range users {
		t.Run(fmt.Sprint("by ", uid), func(t *testing.T) {
			m := background(t, uid, "--size=16m")
			require.NoError(t, as(uid, func() error { return os.WriteFile(m.dir+"/at-once", []byte("x"), 0o600) }))
			session, err := unix.Getsid(m.pid)
			require.NoError(t, err)
			assert.Equal(t, m.pid, session, "a session of its own")
			cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", m.pid))
			require.NoError(t, err)
			assert.Equal(t, "/", cwd)
			out, err := m.umount()
			require.NoError(t, err, out)
			assert.Contains(t, out, m.dir)
			assert.Nil(t, m.info())
			m.gone(t)
			out, err = m.umount()
			assert.Equal(t, codeNotSafetmp, hosttest.ExitStatus(err), out)
		})
	}
}

// TestMountFlags: whatever is asked for, the mount has nosuid and nodev, is
// named as what it is, and follows no links.
func TestMountFlags(t *testing.T) {
	for name, opts := range map[string][]mountOption{
		"default": nil,
		"shared":  {options("shared")},
		"compat":  {options("profile=compat")},
		"by a user": {func(c *mountConfig) {
			if os.Getuid() == root {
				mountedBy(victim)(c)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := mountTest(t, opts...)
			info := m.info()
			assert.Equal(t, "fuse.safetmp", info.FSType)
			assert.Contains(t, info.Options, "nosuid")
			assert.Contains(t, info.Options, "nodev")
			if name == "default" || name == "shared" {
				assert.Contains(t, info.Options, "nosymfollow")
			}
			assert.Equal(t, name == "shared", strings.Contains(info.VFSOptions, "allow_other"))
		})
	}
}

func TestStatus(t *testing.T) {
	m := mountTest(t, options("size=16m", "nr_inodes=100"))
	empty := m.status(t)
	assert.Equal(t, m.dir, empty.Mountpoint)
	assert.Equal(t, m.pid, empty.PID)
	assert.Equal(t, "tmpdir", empty.Profile)
	assert.True(t, empty.Enforcing && empty.NoSUID && empty.NoDev && !empty.Shared)
	assert.Equal(t, m.owner, empty.Owner)
	assert.EqualValues(t, 16<<20, empty.Limit)
	assert.EqualValues(t, 100, empty.InodeLimit)
	require.NoError(t, as(m.owner, func() error {
		assert.Equal(t, "EPERM", errname(unix.Symlink("x", m.dir+"/link")))
		assert.Equal(t, "EPERM", errname(unix.Symlink("x", m.dir+"/link")))
		unix.Umask(0)
		return os.WriteFile(m.dir+"/file", make([]byte, 1<<20), 0o666)
	}))
	full := m.status(t)
	assert.InDelta(t, 1<<20, full.Bytes-empty.Bytes, 16<<10)
	assert.EqualValues(t, 1, full.Inodes-empty.Inodes)
	assert.EqualValues(t, 2, full.Refusals["symlinks"])
	assert.Positive(t, full.Changes["modes"])
	out, err := m.tool("status")
	require.NoError(t, err, out)
	assert.Contains(t, out, m.dir)
	listed, err := m.tool("ls", m.dir)
	require.NoError(t, err, listed)
	assert.Contains(t, listed, "file", "people are told the names")
}

// TestStatusIsPrivate: another user learns nothing of a mount, nor ends it.
func TestStatusIsPrivate(t *testing.T) {
	needRoot(t)
	m := mountTest(t, mountedBy(victim))
	stranger := &live{by: other, dir: m.dir}
	out, err := stranger.tool("status")
	assert.NotContains(t, out, m.dir, "%v", err)
	for _, words := range [][]string{{"status", m.dir}, {"ls", m.dir}, {"umount", m.dir}, {"umount", "--force", m.dir}} {
		out, err := stranger.tool(words[0], words[1:]...)
		assert.NotZero(t, hosttest.ExitStatus(err), "%v: %s", words, out)
	}
	assert.NotNil(t, m.info(), "still there")
	assert.Equal(t, m.pid, m.status(t).PID)
}

// TestUmountBusy: a mount in use stays as it was, and who uses it is told.
func TestUmountBusy(t *testing.T) {
	m := mountTest(t)
	path := m.dir + "/held"
	require.NoError(t, as(m.owner, func() error { return os.WriteFile(path, []byte("x"), 0o600) }))
	holder := startPartner(t, m.owner, "holder", path)
	out, err := m.umount()
	assert.Equal(t, codeBusy, hosttest.ExitStatus(err), out)
	assert.Contains(t, out, fmt.Sprint(holder.cmd.Process.Pid), "the holder")
	assert.Contains(t, out, "helper", "its command")
	require.NotNil(t, m.info(), "still mounted")
	assert.Equal(t, "ok", holder.ask(t, "read"), "and working")
	require.NoError(t, as(m.owner, func() error { return os.WriteFile(m.dir+"/more", []byte("x"), 0o600) }))
	require.Equal(t, "ok", holder.ask(t, "close"))
	out, err = m.umount()
	assert.NoError(t, err, out)
}

// TestUmountForce ends a mount in use in bounded time.
func TestUmountForce(t *testing.T) {
	m := mountTest(t)
	path := m.dir + "/held"
	require.NoError(t, as(m.owner, func() error { return os.WriteFile(path, []byte("x"), 0o600) }))
	holder := startPartner(t, m.owner, "holder", path)
	start := time.Now()
	out, err := m.umount("--force")
	assert.NoError(t, err, out)
	assert.Less(t, time.Since(start), 10*time.Second)
	assert.Nil(t, m.info())
	assert.NotEqual(t, "ok", holder.ask(t, "read"))
}

// TestUmountByOthers: whoever unmounts, the daemon ends and wipes.
func TestUmountByOthers(t *testing.T) {
	for name, row := range map[string]struct {
		program string
		args    []string
		by      int
	}{
		"umount":         {"umount", nil, root},
		"fusermount3 -u": {"fusermount3", []string{"-u"}, user()},
	} {
		t.Run(name, func(t *testing.T) {
			if row.by == root {
				needRoot(t)
			}
			program := needProgram(t, row.program)
			m := mountTest(t, mountedBy(row.by))
			out, err := boundedOutput(command(row.by, program, append(row.args, m.dir)...), stopBound)
			require.NoError(t, err, "%s", out)
			m.waitExit(t)
		})
	}
}

// TestSignals: each signal that means the end unmounts, even while the mount
// is in use, and the daemon says 0.
func TestSignals(t *testing.T) {
	for _, number := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, busy %v", unix.SignalName(number), busy), func(t *testing.T) {
				m := mountTest(t)
				path := m.dir + "/held"
				require.NoError(t, as(m.owner, func() error { return os.WriteFile(path, []byte("x"), 0o600) }))
				if busy {
					startPartner(t, m.owner, "holder", path)
				}
				require.NoError(t, unix.Kill(m.pid, number))
				m.waitExit(t)
				assert.Nil(t, m.info())
			})
		}
	}
}

// atOnce runs work for every mount in parallel.
func atOnce(mounts []*live, work func(m *live)) {
	var wait sync.WaitGroup
	for _, m := range mounts {
		wait.Go(func() { work(m) })
	}
	wait.Wait()
}

// below lists the files, not the folders, below dir.
func below(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}
