//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// mountPassing mounts with contents that the kernel reads and writes by itself.
func mountPassing(t *testing.T, words ...string) *live {
	t.Helper()
	needRoot(t)
	return mountTest(t, mountedBy(root), options(append([]string{"io=passthrough", "size=32m"}, words...)...))
}

// pinned is the pages of a file in a pipe (vmsplice(2)): they outlive the file,
// and show what became of them.
type pinned struct {
	r    *os.File
	size int
}

// pin takes the pages of a file, and leaves it neither open nor mapped.
func pin(t *testing.T, path string, size int) pinned {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	data, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	vector := unix.Iovec{Base: &data[0], Len: uint64(size)}
	n, _, errno := unix.Syscall6(unix.SYS_VMSPLICE, w.Fd(), uintptr(unsafe.Pointer(&vector)), 1, 0, 0, 0)
	require.Zero(t, errno)
	require.EqualValues(t, size, n)
	require.NoError(t, unix.Munmap(data))
	return pinned{r, size}
}

// read takes the pages out of the pipe.
func (p pinned) read(t *testing.T) []byte {
	t.Helper()
	got := make([]byte, p.size)
	_, err := io.ReadFull(p.r, got)
	require.NoError(t, err)
	return got
}

// TestPassthroughWipe: what is deleted, cut off or left at the end of the mount
// is overwritten before the kernel gets the pages back.
func TestPassthroughWipe(t *testing.T) {
	const size = 8 * 4096
	secret := pattern(size)
	for name, row := range map[string]struct {
		end  func(t *testing.T, m *live, path string)
		gone int // from this byte on
	}{
		"unlink":  {func(t *testing.T, _ *live, path string) { require.NoError(t, unix.Unlink(path)) }, 0},
		"O_TRUNC": {func(t *testing.T, _ *live, path string) { require.NoError(t, os.WriteFile(path, []byte("x"), 0o600)) }, 0},
		"truncate": {func(t *testing.T, _ *live, path string) {
			require.NoError(t, unix.Truncate(path, 5000))
		}, 5000},
		"hole": {func(t *testing.T, _ *live, path string) {
			require.NoError(t, withFile(path, unix.O_RDWR, func(fd int) error {
				return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 5000, size)
			}))
		}, 5000},
		"rename over": {func(t *testing.T, _ *live, path string) {
			require.NoError(t, os.WriteFile(path+"2", nil, 0o600))
			require.NoError(t, unix.Rename(path+"2", path))
		}, 0},
		"last close": {func(t *testing.T, _ *live, path string) {
			require.NoError(t, withFile(path, unix.O_RDONLY, func(int) error { return unix.Unlink(path) }))
		}, 0},
		"umount": {func(t *testing.T, m *live, _ string) {
			out, err := m.umount()
			require.NoError(t, err, out)
			assert.Contains(t, out, "32.0 KiB overwritten")
		}, 0},
		"umount -l, last close": {func(t *testing.T, m *live, path string) {
			require.NoError(t, withFile(path, unix.O_RDONLY, func(int) error { return unix.Unmount(m.dir, unix.MNT_DETACH) }))
			<-m.exited
			m.expectExit = true
		}, 0},
		"SIGTERM": {func(t *testing.T, m *live, _ string) {
			require.NoError(t, unix.Kill(m.pid, unix.SIGTERM))
			<-m.exited
			m.expectExit = true
		}, 0},
		"umount --force": {func(t *testing.T, m *live, path string) {
			fd := open(t, path, unix.O_RDWR, 0)
			out, err := m.umount("--force")
			require.NoError(t, err, out)
			n, err := unix.Pread(fd, make([]byte, 10), 0)
			assert.True(t, n == 0 || err != nil, "%d bytes are still there", n)
			_, err = unix.Pwrite(fd, []byte("more"), 0)
			assert.Error(t, err, "nothing can be stored any more")
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := mountPassing(t)
			path := m.dir + "/secret"
			require.NoError(t, os.WriteFile(path, secret, 0o600))
			control, pages := pin(t, path, size), pin(t, path, size)
			require.True(t, bytes.Equal(secret, control.read(t)), "control: the pages hold the contents")
			row.end(t, m, path)
			time.Sleep(50 * time.Millisecond) // the kernel tells of the last reference late
			got := pages.read(t)
			from := row.gone
			if name == "O_TRUNC" {
				from = 4096 // what was written after it
			}
			assert.Equal(t, make([]byte, size-from), got[from:], "overwritten")
			assert.Equal(t, secret[:row.gone], got[:row.gone], "the rest stays")
		})
	}
}

// TestPassthroughWipeReachesPipes: what sendfile(2) or splice(2) has handed on
// without copying is overwritten as well, unlike on tmpfs; operations.md says so.
func TestPassthroughWipeReachesPipes(t *testing.T) {
	const size = 4096
	for name, c := range map[string]struct {
		mount string
		want  []byte
	}{"memory": {"memory", pattern(size)}, "passthrough": {"passthrough", make([]byte, size)}} {
		t.Run(name, func(t *testing.T) {
			m := mountPassing(t, "io="+c.mount)
			path := m.dir + "/sent"
			require.NoError(t, os.WriteFile(path, pattern(size), 0o600))
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer r.Close()
			defer w.Close()
			require.NoError(t, withFile(path, unix.O_RDONLY, func(fd int) error {
				n, err := unix.Sendfile(int(w.Fd()), fd, nil, size)
				assert.Equal(t, size, n)
				return err
			}))
			require.NoError(t, unix.Unlink(path))
			time.Sleep(50 * time.Millisecond) // the kernel tells of the last reference late
			got := make([]byte, size)
			_, err = io.ReadFull(r, got)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(c.want, got))
		})
	}
}

// TestPassthroughAttributes: whatever changes contents without the daemon's
// knowledge is seen by the next stat(2).
func TestPassthroughAttributes(t *testing.T) {
	m := mountPassing(t)
	path := m.dir + "/file"
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	stat := func() (st unix.Stat_t) {
		require.NoError(t, unix.Stat(path, &st))
		return st
	}
	before := stat()
	fd := open(t, path, unix.O_RDWR|unix.O_APPEND, 0)
	for i := range 5 {
		_, err := unix.Write(fd, []byte("12345"))
		require.NoError(t, err)
		st := stat()
		assert.EqualValues(t, 5*(i+1), st.Size)
		assert.EqualValues(t, 8, st.Blocks)
	}
	assert.NotEqual(t, before.Mtim, stat().Mtim)
	require.NoError(t, unix.Ftruncate(fd, 10*4096))
	data := mapFile(t, fd, 10*4096, unix.MAP_SHARED)
	for i := range 10 {
		stat()
		data[i*4096] = 1
		assert.EqualValues(t, 8*(i+1), stat().Blocks, "a page that was stored to by mapping")
	}
	times := []unix.Timespec{{Sec: 11, Nsec: 12}, {Sec: 13, Nsec: 14}}
	require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0))
	st := stat()
	assert.Equal(t, times, []unix.Timespec{st.Atim, st.Mtim})
	_, err := unix.Write(fd, []byte("x"))
	require.NoError(t, err)
	assert.Greater(t, stat().Mtim.Sec, int64(13))
	_, err = unix.Pread(fd, make([]byte, 1), 0)
	require.NoError(t, err)
	assert.Greater(t, stat().Atim.Sec, int64(11), "atime of a read")
}

// TestPassthroughMapped: a mapping is all that keeps a file, and is enough.
func TestPassthroughMapped(t *testing.T) {
	m := mountPassing(t, "size=4m")
	path := m.dir + "/file"
	content := pattern(3 << 20) // most of the mount: unlink empties what nobody uses
	require.NoError(t, os.WriteFile(path, content, 0o600))
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	data, err := unix.Mmap(fd, 0, len(content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	require.NoError(t, unix.Unlink(path))
	time.Sleep(20 * time.Millisecond)
	assert.True(t, bytes.Equal(content, data))
	assert.Equal(t, unix.EBUSY, unix.Unmount(m.dir, 0), "it holds the mount")
	require.NoError(t, unix.Munmap(data))
	require.Eventually(t, func() bool {
		now, err := hosttest.UsageOf(m.dir)
		return err == nil && now.Blocks < 10
	}, 5*time.Second, time.Millisecond, "and is gone with the mapping")

	fd = open(t, path, unix.O_CREAT|unix.O_RDWR, 0o600)
	require.NoError(t, unix.Ftruncate(fd, 8192))
	data = mapFile(t, fd, 8192, unix.MAP_SHARED)
	data[5000] = 1
	require.NoError(t, unix.Ftruncate(fd, 4096))
	assert.True(t, faults(data, 5000), "a page that was cut off")
	require.NoError(t, unix.Ftruncate(fd, 8192))
	assert.Zero(t, data[5000])
}

// TestPassthroughLimit: contents that the kernel stores by itself, and all that
// the daemon keeps, have one limit; what is deleted can be stored again at once.
func TestPassthroughLimit(t *testing.T) {
	for name, files := range map[string][]int{"pages": {4096}, "mixed": {1, 4095, 100_000, 1 << 20, 0}, "large": {3 << 20}} {
		t.Run(name, func(t *testing.T) {
			m := mountPassing(t, "size=8m")
			inside(t, m.owner, func(t *testing.T) {
				before, err := hosttest.UsageOf(m.dir)
				require.NoError(t, err)
				f := &filler{dir: m.dir, sums: map[string]uint32{}}
				first := f.fill(t, files...)
				require.Positive(t, first)
				f.intact(t)
				for range 3 {
					f.clear(t)
					require.InDelta(t, first, f.fill(t, files...), 1+float64(first)/50)
				}
				f.intact(t)
				var fs unix.Statfs_t
				require.NoError(t, unix.Statfs(m.dir, &fs))
				assert.Less(t, (fs.Blocks-fs.Bfree)*4096, uint64(8<<20+1))
				assert.EqualValues(t, 8<<20/4096, fs.Blocks)
				f.clear(t)
				hosttest.SettlesTo(t, m.dir, before)
			})
		})
	}
}

// TestPassthroughHardened: the daemon keeps the one capability that telling the
// kernel of files takes, and may do nothing else with it.
func TestPassthroughHardened(t *testing.T) {
	if hosttest.Race {
		t.Skip("the daemon under the race detector is hardened in part")
	}
	needRoot(t)
	probe, results := probeOption(t, root)
	m := mountTest(t, mountedBy(root), options("io=passthrough", "size=32m"), probe)
	attempts := readAttempts(t, results)
	for name, got := range attempts {
		if leftToPassthrough[name] {
			assert.Equal(t, "let through", got, name)
			continue
		}
		assert.Contains(t, []string{"EPERM", "EACCES"}, got, name)
	}
	m.holdsOnly(t, 1<<unix.CAP_SYS_ADMIN)
	s := m.status(t)
	assert.Equal(t, "passthrough", s.IOMode)
	assert.True(t, s.Unswappable)
	require.NoError(t, os.WriteFile(m.dir+"/file", pattern(100_000), 0o600), "and it goes on working")
	require.NoError(t, os.Truncate(m.dir+"/file", 10))
	require.NoError(t, os.Chtimes(m.dir+"/file", time.Unix(1, 0), time.Unix(2, 0)))
}

// leftToPassthrough is what only Landlock forbids elsewhere: it would also forbid
// to change the size of the tmpfs.
var leftToPassthrough = map[string]bool{"read a file": true, "read the program": true, "list a directory": true, "environ of another": true}

// TestPassthroughKilled: the mount of a daemon that was killed goes as any
// other's.
func TestPassthroughKilled(t *testing.T) {
	m := mountPassing(t)
	require.NoError(t, os.WriteFile(m.dir+"/file", pattern(1<<20), 0o600))
	fd := open(t, m.dir+"/file", unix.O_RDONLY, 0)
	m.expectExit, m.expectStatus = true, 137
	require.NoError(t, unix.Kill(m.pid, unix.SIGKILL))
	require.Eventually(t, func() bool { return m.info() == nil }, promised(), time.Millisecond, "detached")
	assert.Equal(t, string(pattern(1 << 20)[:5]), pread(fd, 5, 0), "what is open stays with whoever has it open")
}

// TestPassthroughRun: it is also there for one command, as root.
func TestPassthroughRun(t *testing.T) {
	needRoot(t)
	out, status := safetmpRun(t, root, `ulimit -n; cd "$TMPDIR" && head -c 3000000 /dev/zero >f && cp f g && cmp f g && stat -c %s g`, "--io=passthrough", "-v")
	assert.Zero(t, status, out)
	assert.Contains(t, out, "3000000")
	assert.Contains(t, out, "overwritten")
	limit, err := boundedOutput(command(root, "sh", "-c", "ulimit -n"), time.Minute)
	require.NoError(t, err)
	assert.Contains(t, out, string(limit), "the command's own limits stay")

	out, status = safetmpRun(t, victim, "true", "--io=passthrough")
	assert.Equal(t, 125, status)
	assert.Contains(t, out, "no passthrough here: ")
	assert.Contains(t, out, "hint: passthrough takes Linux 6.9")
}

// TestPassthroughRefused: whoever lacks the privilege is told, and nothing is
// mounted.
func TestPassthroughRefused(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	dir := filepath.Join(suite.Base, "m", fmt.Sprint(mountCount.Add(1)))
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, victim, victim))
	out, err := boundedOutput(command(victim, suite.bin, "mount", "--io=passthrough", dir), time.Minute)
	assert.Equal(t, 24, hosttest.ExitStatus(err), "%s", out)
	assert.Contains(t, string(out), "no passthrough here: ")
	assert.Contains(t, string(out), "hint: ")
	assert.NoError(t, os.Remove(dir), "nothing is mounted there")
}
