package volume

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/cgroup"
	"safetmp/internal/config"
	"safetmp/internal/hosttest"
	"safetmp/internal/launch/launchtest"
	"safetmp/internal/mount"
)

// TestMain makes the test binary the daemon and the watcher of its volumes too.
func TestMain(m *testing.M) {
	if code, was := launchtest.Hidden(); was {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// fixture is a state folder and a folder for targets.
type fixture struct {
	t       *testing.T
	config  Config
	targets string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	hosttest.NeedRoot(t, "as engines do: their volumes are mounted for all users")
	base := t.TempDir()
	f := &fixture{t: t, targets: filepath.Join(base, "kubelet")}
	require.NoError(t, os.Mkdir(f.targets, 0o755))
	f.config = Config{
		State: filepath.Join(base, "state"), Targets: f.targets, Program: "safetmp-volume", Version: "test", Env: os.Environ(),
		DefaultSize: "16m", System: config.HostSystem(), Log: slog.New(slog.DiscardHandler),
	}
	if groups, err := cgroup.Open(cgroup.DefaultRoot, fmt.Sprintf("/safetmp-test-%d", os.Getpid())); err == nil {
		f.config.Groups = groups
	}
	t.Cleanup(func() { f.leavesNothing(base) })
	return f
}

// leavesNothing checks that no mount is left below base, and takes it away if one is.
func (f *fixture) leavesNothing(base string) {
	entries, err := mount.Entries()
	require.NoError(f.t, err)
	for _, e := range entries {
		if within(base, e.Mountpoint) {
			assert.Fail(f.t, "left behind", "mount at %s", e.Mountpoint)
			_ = mount.ForceDetach(e)
		}
	}
	if f.config.Groups != nil {
		// The group is removed before its last process has quite gone.
		assert.Eventually(f.t, func() bool { return len(f.config.Groups.Names()) == 0 }, 5*time.Second, 10*time.Millisecond)
		f.config.Groups.Close()
	}
}

func within(base, path string) bool {
	rel, err := filepath.Rel(base, path)
	return err == nil && filepath.IsLocal(rel)
}

// open opens the Manager, which the test closes or leaves to the end.
func (f *fixture) open() *Manager {
	f.t.Helper()
	m, err := Open(f.t.Context(), f.config)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = m.Close() })
	return m
}

// make creates and mounts a volume and returns where.
func (f *fixture) make(m *Manager, name, user string, options map[string]string) string {
	f.t.Helper()
	require.NoError(f.t, m.Create(Definition{Name: name, Options: options}))
	path, err := m.Mount(f.t.Context(), name, user)
	require.NoError(f.t, err)
	return path
}

// pid returns the process of a volume's daemon.
func (f *fixture) pid(m *Manager, name string) int {
	f.t.Helper()
	v, err := m.Get(f.t.Context(), name)
	require.NoError(f.t, err)
	require.Equal(f.t, Serving, v.Condition)
	return v.Status.PID
}

// remove ends a volume whoever was using it.
func (f *fixture) remove(m *Manager, name string) {
	f.t.Helper()
	v, err := m.Get(f.t.Context(), name)
	require.NoError(f.t, err)
	for _, user := range v.Users {
		require.NoError(f.t, m.Unmount(name, user))
	}
	_, err = m.Remove(f.t.Context(), name)
	require.NoError(f.t, err)
}
