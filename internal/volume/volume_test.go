package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/launch/launchtest"
)

func TestVolumeLivesUntilRemoved(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	options := map[string]string{"size": "1m", "noexec": "true"}
	path := f.make(m, "v", "a", options)
	file := filepath.Join(path, "f")
	require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	require.NoError(t, m.Create(Definition{Name: "v", Options: options}), "the same again")
	assert.ErrorIs(t, m.Create(Definition{Name: "v"}), ErrDiffers)

	again, err := m.Mount(t.Context(), "v", "a")
	require.NoError(t, err)
	assert.Equal(t, path, again)
	_, err = m.Mount(t.Context(), "v", "b")
	require.NoError(t, err)
	v, err := m.Get(t.Context(), "v")
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, v.Users)
	assert.True(t, v.Status.NoExec)
	assert.EqualValues(t, 1<<20, v.Status.Limit)

	require.NoError(t, m.Unmount("v", "a"))
	require.NoError(t, m.Unmount("v", "a"), "again")
	require.NoError(t, m.Unmount("v", "nobody"))
	_, err = m.Remove(t.Context(), "v")
	assert.ErrorIs(t, err, ErrInUse)
	require.NoError(t, m.Unmount("v", "b"))
	text, err := os.ReadFile(file)
	require.NoError(t, err, "no user does not mean no files")
	assert.Equal(t, "kept", string(text))

	report, err := m.Remove(t.Context(), "v")
	require.NoError(t, err)
	assert.True(t, report.Complete)
	assert.Positive(t, report.Wiped)
	assert.NoDirExists(t, path)
	for _, err := range []error{m.Unmount("v", "b"), second(m.Mount(t.Context(), "v", "b")), second(m.Remove(t.Context(), "v"))} {
		assert.ErrorIs(t, err, ErrNotFound)
	}
	assert.Empty(t, m.List())
}

func second[T any](_ T, err error) error { return err }

// The whole size may be filled by one user, and no more.
func TestSizeIsTheVolumes(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	path := f.make(m, "v", "a", map[string]string{"size": "2m"})
	file, err := os.Create(filepath.Join(path, "f"))
	require.NoError(t, err)
	written := 0
	for err == nil {
		_, err = file.Write(make([]byte, 64<<10))
		written += 64 << 10
	}
	assert.ErrorIs(t, err, unix.ENOSPC)
	assert.Greater(t, written, 3<<19)
	assert.LessOrEqual(t, written, 2<<20)
	require.NoError(t, file.Close())
	f.remove(m, "v")
}

func TestManagerIsReplaced(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	path := f.make(m, "v", "a", nil)
	require.NoError(t, os.WriteFile(filepath.Join(path, "f"), []byte("kept"), 0o600))
	require.NoError(t, m.Create(Definition{Name: "idle"}))
	_, err := Open(t.Context(), f.config)
	require.ErrorContains(t, err, "another process")
	pid := f.pid(m, "v")
	require.NoError(t, m.Close())

	m = f.open()
	assert.Equal(t, pid, f.pid(m, "v"), "the same daemon")
	text, err := os.ReadFile(filepath.Join(path, "f"))
	require.NoError(t, err)
	assert.Equal(t, "kept", string(text))
	v, err := m.Get(t.Context(), "v")
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, v.Users)
	v, err = m.Get(t.Context(), "idle")
	require.NoError(t, err)
	assert.Equal(t, Idle, v.Condition)
	f.remove(m, "v")
	f.remove(m, "idle")
}

// A Manager that was killed between a mount and its record finds the mount.
func TestManagerWasKilledWhileItMounted(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	path := f.make(m, "v", "a", nil)
	require.NoError(t, os.WriteFile(filepath.Join(path, "f"), nil, 0o600))
	r := *m.volumes["v"].record.Load()
	r.Device, r.Socket, r.Users = "", "", nil
	require.NoError(t, m.folder.write(r))
	require.NoError(t, os.WriteFile(filepath.Join(f.config.State, recordsName, ".v.json1234"), []byte("half"), 0o600))
	require.NoError(t, m.Close())

	m = f.open()
	_, err := m.Mount(t.Context(), "v", "a")
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(path, "f"))
	f.remove(m, "v")
	left, err := os.ReadDir(filepath.Join(f.config.State, recordsName))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestKilledDaemonHarmsItsVolumeAlone(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	path, other := f.make(m, "v", "a", nil), f.make(m, "w", "a", nil)
	require.NoError(t, os.WriteFile(filepath.Join(other, "f"), []byte("kept"), 0o600))
	require.NoError(t, unix.Kill(f.pid(m, "v"), unix.SIGKILL))
	require.Eventually(t, func() bool {
		v, err := m.Get(t.Context(), "v")
		return err == nil && v.Condition == Lost
	}, 5*time.Second, 10*time.Millisecond)
	assert.FileExists(t, filepath.Join(other, "f"))

	_, err := m.Mount(t.Context(), "v", "b")
	require.ErrorIs(t, err, ErrLost, "a has errors and may not find b in another volume of the name")
	require.NoError(t, m.Unmount("v", "a"))
	again, err := m.Mount(t.Context(), "v", "b")
	require.NoError(t, err)
	assert.Equal(t, path, again)
	require.NoError(t, os.WriteFile(filepath.Join(path, "f"), nil, 0o600))
	require.NoError(t, unix.Kill(f.pid(m, "v"), unix.SIGKILL))
	f.remove(m, "v")
	f.remove(m, "w")
}

// The end of a Manager that takes its daemons along.
func TestEndOfAll(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	path := f.make(m, "v", "a", nil)
	f.make(m, "w", "a", nil)
	require.NoError(t, m.Create(Definition{Name: "idle"}))
	require.NoError(t, os.WriteFile(filepath.Join(path, "f"), nil, 0o600))
	pid := f.pid(m, "v")
	m.End(t.Context())
	assert.Eventually(t, func() bool { return unix.Kill(pid, 0) != nil }, 5*time.Second, 10*time.Millisecond, "the process is gone")
	require.NoError(t, m.Close())

	m = f.open()
	for _, name := range []string{"v", "w"} {
		v, err := m.Get(t.Context(), name)
		require.NoError(t, err)
		assert.Equal(t, Lost, v.Condition)
	}
	_, err := m.Mount(t.Context(), "v", "b")
	require.ErrorIs(t, err, ErrLost, "a has errors still")
	require.NoError(t, m.Unmount("v", "a"))
	_, err = m.Mount(t.Context(), "v", "b")
	require.NoError(t, err)
	assert.NoFileExists(t, filepath.Join(path, "f"))
	for _, name := range []string{"v", "w", "idle"} {
		f.remove(m, name)
	}
}

// The kernel gives the device number of a daemon that was killed to the next mount, and with it the name of its socket.
func TestNumbersOfAKilledDaemonAreAnothers(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	f.make(m, "v", "a", nil)
	path := f.make(m, "w", "a", nil)
	require.NoError(t, os.WriteFile(filepath.Join(path, "f"), nil, 0o600))
	v, w := m.volumes["v"], m.volumes["w"]
	require.NoError(t, unix.Kill(f.pid(m, "v"), unix.SIGKILL))
	require.Eventually(t, func() bool {
		v, err := m.Get(t.Context(), "v")
		return err == nil && v.Condition == Lost
	}, 5*time.Second, 10*time.Millisecond)
	reused := *v.record.Load()
	reused.Device, reused.Socket = w.record.Load().Device, w.record.Load().Socket
	v.record.Store(&reused)

	found, err := m.Get(t.Context(), "v")
	require.NoError(t, err)
	assert.Equal(t, Lost, found.Condition)
	f.remove(m, "v")
	assert.FileExists(t, filepath.Join(path, "f"), "the other volume did not notice")
	assert.Positive(t, f.pid(m, "w"))
	f.remove(m, "w")
}

// A daemon that hangs is not waited for without end, and ends with its volume.
func TestSilentDaemonIsRemoved(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	path := f.make(m, "v", "a", nil)
	pid := f.pid(m, "v")
	launchtest.Stop(t, pid)
	v, err := m.Get(t.Context(), "v")
	require.NoError(t, err)
	assert.Equal(t, Silent, v.Condition)
	f.remove(m, "v")
	assert.NoDirExists(t, path)
	if f.config.Groups == nil {
		require.NoError(t, unix.Kill(pid, unix.SIGCONT)) // no group, so nobody could end it
	}
	assert.Eventually(t, func() bool { return unix.Kill(pid, 0) != nil }, 5*time.Second, 10*time.Millisecond, "the process is gone")
}

func TestAnotherBoot(t *testing.T) {
	for _, forget := range []bool{false, true} {
		t.Run(fmt.Sprintf("forget=%v", forget), func(t *testing.T) {
			f := newFixture(t)
			m := f.open()
			target := filepath.Join(f.targets, "t")
			require.NoError(t, m.Create(Definition{Name: "v", Mountpoint: target, Options: map[string]string{"size": "1m"}}))
			r := *m.volumes["v"].record.Load()
			r.Boot, r.Users, r.Device, r.Socket = "another", []string{"a"}, "0:99999", "/run/safetmp/none.sock"
			require.NoError(t, m.folder.write(r))
			require.NoError(t, os.Mkdir(target, 0o500))
			require.NoError(t, m.Close())
			f.config.Forget = forget
			m = f.open()
			v, err := m.Get(t.Context(), "v")
			if forget {
				require.ErrorIs(t, err, ErrNotFound)
				assert.NoDirExists(t, target)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, Idle, v.Condition)
			assert.Empty(t, v.Users)
			_, err = m.Mount(t.Context(), "v", "b")
			require.NoError(t, err)
			f.remove(m, "v")
		})
	}
}

func TestLimits(t *testing.T) {
	f := newFixture(t)
	f.config.MaxVolumes, f.config.MaxTotal = 3, 10<<20
	m := f.open()
	require.NoError(t, m.Create(Definition{Name: "a", Options: map[string]string{"size": "8m"}}))
	require.ErrorIs(t, m.Create(Definition{Name: "b", Options: map[string]string{"size": "4m"}}), ErrLimit)
	require.NoError(t, m.Create(Definition{Name: "b", Options: map[string]string{"size": "1m"}}))
	require.NoError(t, m.Create(Definition{Name: "c", Options: map[string]string{"size": "1m"}}))
	require.ErrorIs(t, m.Create(Definition{Name: "d", Options: map[string]string{"size": "4k"}}), ErrLimit)
	require.NoError(t, m.Create(Definition{Name: "a", Options: map[string]string{"size": "8m"}}), "it is there already")
	f.remove(m, "a")
	require.NoError(t, m.Create(Definition{Name: "d", Options: map[string]string{"size": "8m"}}))
}

// Everybody does everything with the same few volumes.
func TestConcurrentCalls(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	var mounts, removals atomic.Int64
	var done sync.WaitGroup
	for worker := range 8 {
		done.Go(func() {
			user := fmt.Sprint("u", worker)
			for range 4 {
				name := fmt.Sprint("v", worker%3)
				if !assert.NoError(t, m.Create(Definition{Name: name})) {
					return
				}
				path, err := m.Mount(t.Context(), name, user)
				if err != nil {
					assert.ErrorIs(t, err, ErrNotFound, "removed by another since")
					continue
				}
				mounts.Add(1)
				file := filepath.Join(path, user)
				assert.NoError(t, os.WriteFile(file, []byte(user), 0o600))
				assert.FileExists(t, file, "nobody removes what is in use")
				m.List()
				assert.NoError(t, m.Unmount(name, user))
				if _, err := m.Remove(t.Context(), name); err == nil {
					removals.Add(1)
				}
			}
		})
	}
	done.Wait()
	assert.Positive(t, mounts.Load())
	assert.Positive(t, removals.Load())
	for _, v := range m.List() {
		f.remove(m, v.Name)
	}
}
