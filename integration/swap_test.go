//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// TestSwap: with real swap and a memory cgroup under pressure, contents reach
// the swap file in no way in which safetmp mounts unless it is told to.
func TestSwap(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	swap := swapFile(t, 96<<20)
	t.Run("control: allowed to", func(t *testing.T) {
		setMemlock(t, 0)
		// The kernel charges rings of an ordinary user to his locked memory.
		s := mountSqueezed(t, mountedBy(victim), options("encrypt=off", "allow_swap", "transport=auto"))
		require.False(t, s.m.status(t).Encrypted)
		s.squeeze(t)
		require.Positive(t, copiesIn(t, swap, s.content), "contents are in the swap file")
	})
	t.Run("locked", func(t *testing.T) {
		s := mountSqueezed(t, mountedBy(root)) // root may lock whatever the limit
		require.True(t, s.m.status(t).Locked)
		require.Error(t, s.squeeze(t), "control: the kernel wants memory and gets none")
		assert.Zero(t, copiesIn(t, swap, s.content))
	})
	t.Run("encrypted", func(t *testing.T) {
		setMemlock(t, 8<<20)
		s := mountSqueezed(t, mountedBy(victim))
		require.True(t, s.m.status(t).Encrypted, "auto: there is swap and the limit is too low")
		s.squeeze(t)
		require.Greater(t, hosttest.StatusKiB(t, s.m.pid, "VmSwap")<<10, secretSize/2, "control: the contents are swapped out")
		assert.Zero(t, copiesIn(t, swap, s.content))
		require.NoError(t, as(s.m.owner, func() error { return readBack(s.path, s.content.fill(squeezedSize)) }))
	})
	t.Run("small enough to be locked", func(t *testing.T) {
		setMemlock(t, 8<<20)
		m := mountTest(t, mountedBy(victim), options("size=4m"))
		assert.True(t, m.status(t).Locked)
		assert.False(t, m.status(t).Encrypted)
	})
	t.Run("passthrough", func(t *testing.T) {
		usual := t.TempDir()
		require.NoError(t, unix.Mount("none", usual, "tmpfs", 0, "size=16m"))
		t.Cleanup(func() { assert.NoError(t, unix.Unmount(usual, 0)) })
		exposed, kept := newMarker(t), newMarker(t)
		require.NoError(t, pageOut(usual+"/file", exposed))
		require.Eventually(t, func() bool { return copiesIn(t, swap, exposed) > 0 }, stopBound, 100*time.Millisecond,
			"control: pages of a tmpfs go to swap")
		m := mountTest(t, mountedBy(root), options("io=passthrough", "size=64m"))
		require.NoError(t, pageOut(m.dir+"/file", kept))
		time.Sleep(time.Second)
		assert.Zero(t, copiesIn(t, swap, kept))
		assert.NoError(t, readBack(m.dir+"/file", kept.fill(pagedOut)))
	})
	t.Run("neither", func(t *testing.T) {
		setMemlock(t, 0)
		for words, why := range map[string]string{"size=64m": "memstore: keys", "size=64m,encrypt=off": "memstore: locking"} {
			refusedMount(t, words, why)
		}
	})
}

// refusedMount demands exit code 17.
func refusedMount(t *testing.T, words, why string) {
	t.Helper()
	dir := filepath.Join(suite.Base, "m", fmt.Sprint(mountCount.Add(1)))
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, victim, victim))
	out, err := boundedOutput(command(victim, suite.bin, "mount", "-o", words, dir), stopBound)
	assert.Equal(t, 17, hosttest.ExitStatus(err), "%s", out)
	assert.Contains(t, string(out), "contents could reach swap: "+why)
	assert.Contains(t, string(out), "hint: ")
	assert.NoError(t, os.Remove(dir), "nothing is mounted there")
}

// swapFile has the kernel swap to a file for the rest of the test.
func swapFile(t *testing.T, size int64) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", basePrefix)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "swap")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	for range size >> 20 { // written, since a file with holes is no swap
		_, err := file.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
	out, err := exec.Command("mkswap", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	if out, err := exec.Command("swapon", "-p", "32767", path).CombinedOutput(); err != nil {
		t.Skipf("this machine refuses swap on a file in /var/tmp: %s", out)
	}
	t.Cleanup(func() {
		out, err := exec.Command("swapoff", path).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	})
	return path
}

// setMemlock sets the limit of locked memory for what is started in this test, no higher than it may be.
func setMemlock(t *testing.T, limit uint64) {
	t.Helper()
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &was))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: min(limit, was.Max), Max: was.Max}))
	t.Cleanup(func() { assert.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &was)) })
}

const squeezedSize = 24 << 20

// squeezed is a mount whose daemon is in a memory cgroup of
// its own, with one file.
type squeezed struct {
	m       *live
	content marker
	path    string
	group   string // folder of the cgroup
	v2      bool
}

func mountSqueezed(t *testing.T, opts ...mountOption) *squeezed {
	t.Helper()
	s := &squeezed{content: newMarker(t)}
	s.group, s.v2 = memoryGroup(t)
	s.m = mountTest(t, append(opts, options("size=64m"))...)
	require.NoError(t, os.WriteFile(filepath.Join(s.group, "cgroup.procs"), fmt.Append(nil, s.m.pid), 0))
	s.path = filepath.Join(s.m.dir, "file")
	require.NoError(t, as(s.m.owner, func() error { return os.WriteFile(s.path, s.content.fill(squeezedSize), 0o600) }))
	return s
}

// memoryGroup makes a cgroup with the memory controller, of either version.
func memoryGroup(t *testing.T) (dir string, v2 bool) {
	t.Helper()
	for _, parent := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup"} {
		dir := filepath.Join(parent, fmt.Sprint(basePrefix, os.Getpid(), "-", mountCount.Add(1)))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { // after the daemon's end
			assert.Eventually(t, func() bool { return os.Remove(dir) == nil }, stopBound, 10*time.Millisecond)
		})
		for file, v2 := range map[string]bool{"memory.limit_in_bytes": false, "memory.reclaim": true} {
			if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
				return dir, v2
			}
		}
	}
	t.Skip("no memory cgroup can be made here")
	return "", false
}

// squeeze has the kernel take back what it can of the group's memory, and
// returns an error if that was not much.
func (s *squeezed) squeeze(t *testing.T) (err error) {
	t.Helper()
	for range 5 {
		if s.v2 {
			err = os.WriteFile(filepath.Join(s.group, "memory.reclaim"), []byte("20M"), 0)
		} else {
			err = os.WriteFile(filepath.Join(s.group, "memory.limit_in_bytes"), []byte("4M"), 0)
		}
		if err == nil {
			break
		}
	}
	if !s.v2 { // the daemon has to go on
		require.NoError(t, os.WriteFile(filepath.Join(s.group, "memory.limit_in_bytes"), []byte("-1"), 0))
	}
	require.True(t, err == nil || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EAGAIN), "%v", err)
	return err
}

const pagedOut = 8 << 20

// pageOut makes a file of markers and asks the kernel to swap its pages out.
func pageOut(path string, content marker) error {
	if err := os.WriteFile(path, content.fill(pagedOut), 0o600); err != nil {
		return err
	}
	return withFile(path, unix.O_RDWR, func(fd int) error {
		data, err := unix.Mmap(fd, 0, pagedOut, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
		if err != nil {
			return err
		}
		return errors.Join(unix.Madvise(data, unix.MADV_PAGEOUT), unix.Munmap(data))
	})
}

// copiesIn reads the swap file past the page cache, as the kernel writes it.
func copiesIn(t *testing.T, path string, content marker) (copies int) {
	t.Helper()
	require.NoError(t, withFile(path, unix.O_RDONLY|unix.O_DIRECT, func(fd int) error {
		buf, err := unix.Mmap(-1, 0, 4<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		defer unix.Munmap(buf)
		for {
			n, err := unix.Read(fd, buf)
			if err != nil {
				return err
			}
			if n == 0 {
				return nil
			}
			copies += bytes.Count(buf[:n], content[:])
		}
	}))
	return copies
}
