//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// nameMarker is a marker that can be a file's name.
func nameMarker(t testing.TB) marker {
	m := newMarker(t)
	for i := range m {
		m[i] = 'a' + m[i]%26
	}
	return m
}

// secrets is a mount with one file whose contents, attribute and name are
// markers of their own.
type secrets struct {
	m                        *live
	content, attribute, name marker
	path                     string
}

const secretSize = 3<<20 + 100

func newSecrets(t *testing.T, opts ...mountOption) *secrets {
	t.Helper()
	return storeSecrets(t, mountTest(t, append([]mountOption{options("size=64m")}, opts...)...))
}

// storeSecrets makes the file on a mount that is there.
func storeSecrets(t *testing.T, m *live) *secrets {
	t.Helper()
	s := &secrets{m: m,
		content: newMarker(t), attribute: newMarker(t), name: nameMarker(t)}
	s.path = filepath.Join(s.m.dir, string(s.name[:]))
	require.NoError(t, as(s.m.owner, func() error {
		if err := os.WriteFile(s.path, s.content.fill(secretSize), 0o600); err != nil {
			return err
		}
		if err := unix.Setxattr(s.path, "user.secret", s.attribute.fill(1000), 0); err != nil {
			return err
		}
		if err := changeInPlace(s.path, s.content); err != nil {
			return err
		}
		return readBack(s.path, s.content.fill(secretSize))
	}))
	return s
}

// changeInPlace writes parts of pages and through a shared mapping, so that
// contents pass wherever pages are changed.
func changeInPlace(path string, m marker) error {
	return withFile(path, unix.O_RDWR, func(fd int) error {
		for _, at := range []int64{16, 4096 - 48, 1<<20 + 160} {
			if _, err := unix.Pwrite(fd, m.fill(64), at); err != nil {
				return err
			}
		}
		data, err := unix.Mmap(fd, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		copy(data[32:], m.fill(5000/16*16))
		if err := unix.Msync(data, unix.MS_SYNC); err != nil {
			return err
		}
		return unix.Munmap(data)
	})
}

// row is one line of the table: copies found in the daemon.
type row struct {
	mount, situation         string
	content, attribute, name int
}

func (s *secrets) row(t *testing.T, mount, situation string) row {
	t.Helper()
	time.Sleep(50 * time.Millisecond) // for replies on their way
	found := forcedCore(t, s.m.pid, s.content, s.attribute, s.name)
	r := row{mount, situation, found.copies[s.content], found.copies[s.attribute], found.copies[s.name]}
	if t.Failed() {
		t.Logf("%s, %s:\n%s", mount, situation, found)
	}
	return r
}

// TestSecrecy counts what a core image of the daemon would hold, and every mapping
// that none would, on each kind of mount: while a file exists
// and nobody uses it, once it is deleted, and at the end.
func TestSecrecy(t *testing.T) {
	needRoot(t)
	var table []row
	for _, access := range []string{"private", "shared"} {
		for _, encrypt := range []string{"off", "on"} {
			for _, cache := range []string{"cached", "direct"} {
				mount := fmt.Sprintf("%s, encrypt=%s, %s", access, encrypt, cache)
				t.Run(mount, func(t *testing.T) {
					table = append(table, countCopies(t, mount, encrypt == "off", options(access, "encrypt="+encrypt, "cache="+cache))...)
				})
			}
		}
	}
	t.Run("passthrough", func(t *testing.T) {
		table = append(table, countCopies(t, "private, passthrough", false, options("io=passthrough"))...)
	})
	var text bytes.Buffer
	fmt.Fprintf(&text, "%-32s %-12s %9s %9s %9s\n", "mount", "situation", "contents", "attribute", "name")
	for _, r := range table {
		fmt.Fprintf(&text, "%-32s %-12s %9d %9d %9d\n", r.mount, r.situation, r.content, r.attribute, r.name)
	}
	t.Logf("copies found in the daemon:\n%s", text.String())
}

// countCopies makes the rows of one mount. readable says that the daemon holds
// contents in clear while they exist.
func countCopies(t *testing.T, mount string, readable bool, opts mountOption) []row {
	hold := newHold(t)
	s := newSecrets(t, opts, hold.option())
	exists := s.row(t, mount, "exists, idle")
	if readable {
		require.Equal(t, secretSize/16, exists.content, "control: every marker is found once")
	} else {
		assert.Zero(t, exists.content, "contents of a file that exists")
	}
	require.Positive(t, exists.attribute, "control: attributes are found")
	require.Positive(t, exists.name, "control: names are found")

	second := filepath.Join(s.m.dir, "second")
	require.NoError(t, as(s.m.owner, func() error {
		if err := os.WriteFile(second, s.content.fill(1<<20), 0o600); err != nil {
			return err
		}
		return unix.Unlink(s.path)
	}))
	require.NoError(t, as(s.m.owner, func() error { return unix.Unlink(second) }))
	assert.Eventually(t, func() bool {
		return len(scan(t, s.m.pid, s.content, s.attribute, s.name).copies) == 0
	}, 5*time.Second, 50*time.Millisecond, "contents, attributes and names of deleted files are overwritten")
	deleted := s.row(t, mount, "deleted")

	require.NoError(t, as(s.m.owner, func() error { return os.WriteFile(s.path, s.content.fill(secretSize), 0o600) }))
	require.NoError(t, unix.Kill(s.m.pid, unix.SIGTERM))
	return []row{exists, deleted, s.atExit(t, hold, mount, "ended")}
}

// atExit waits until the daemon has ended the mount, finds that it holds nothing of the files, and lets it exit.
func (s *secrets) atExit(t *testing.T, hold *exitHold, mount, situation string) row {
	t.Helper()
	hold.wait(t)
	left := s.row(t, mount, situation)
	assert.Zero(t, left.content, "contents when the daemon exits")
	assert.Zero(t, left.attribute, "attributes when the daemon exits")
	assert.Zero(t, left.name, "names when the daemon exits")
	hold.release()
	<-s.m.exited
	s.m.expectExit = true
	return left
}

// TestEncryptedWaysOut: on each way out nothing of an encrypted mount's files is
// left, nor of its keys' work.
func TestEncryptedWaysOut(t *testing.T) {
	needRoot(t)
	for name, leave := range map[string]func(t *testing.T, m *live){
		"safetmp umount": func(t *testing.T, m *live) { go func() { _, _ = m.umount() }() },
		"umount":         func(t *testing.T, m *live) { require.NoError(t, unix.Unmount(m.dir, 0)) },
		"umount -l":      func(t *testing.T, m *live) { require.NoError(t, unix.Unmount(m.dir, unix.MNT_DETACH)) },
		"fusermount3 -u": func(t *testing.T, m *live) {
			out, err := boundedOutput(command(m.by, "fusermount3", "-u", m.dir), stopBound)
			require.NoError(t, err, "%s", out)
		},
		"--force": func(t *testing.T, m *live) {
			holder := startPartner(t, m.owner, "holder", m.dir+"/held")
			require.Equal(t, "ok", holder.ask(t, "read"))
			go func() { _, _ = m.umount("--force") }()
		},
		"SIGINT": func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGINT)) },
		"SIGHUP": func(t *testing.T, m *live) { require.NoError(t, unix.Kill(m.pid, unix.SIGHUP)) },
		"panic, SIGTERM": func(t *testing.T, m *live) {
			require.NoError(t, as(m.owner, func() error {
				assert.Equal(t, "EIO", exists(m.dir+"/boom"))
				return nil
			}))
			require.NoError(t, unix.Kill(m.pid, unix.SIGTERM))
		},
	} {
		t.Run(name, func(t *testing.T) {
			hold := newHold(t)
			by := root
			if name == "fusermount3 -u" {
				needProgram(t, "fusermount3")
				by = victim
			}
			s := newSecrets(t, options("encrypt=on"), hold.option(), environ("SAFETMP_TEST_PANIC_NAME=boom"), mountedBy(by))
			require.NoError(t, as(s.m.owner, func() error { return os.WriteFile(s.m.dir+"/held", s.content.fill(5000), 0o600) }))
			leave(t, s.m)
			s.atExit(t, hold, "encrypted", name)
		})
	}
}

// TestSecretKeyMemory: with --key-memory secret everything works, and not even root
// reads the memory that keys lie in.
func TestSecretKeyMemory(t *testing.T) {
	needRoot(t)
	fd, err := unix.MemfdSecret(0)
	if err != nil {
		t.Skip("memfd_secret:", err)
	}
	require.NoError(t, unix.Close(fd))
	for _, by := range []int{root, victim} {
		t.Run(fmt.Sprint("by ", by), func(t *testing.T) {
			hold := newHold(t)
			s := newSecrets(t, options("encrypt=on", "key_memory=secret"), mountedBy(by), hold.option())
			secret := 0
			for _, area := range areas(t, s.m.pid) {
				if strings.Contains(area.name, secretArea) {
					secret++
					memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", s.m.pid))
					require.NoError(t, err)
					_, err = memory.ReadAt(make([]byte, 1), int64(area.start))
					assert.ErrorIs(t, err, unix.EIO)
					require.NoError(t, memory.Close())
				}
			}
			assert.Positive(t, secret, "control: there is such memory")
			assert.Zero(t, s.row(t, "secret", "exists").content)
			out, err := s.m.tool("status", s.m.dir)
			require.NoError(t, err, out)
			assert.Regexp(t, `keys: +in memory that is secret`, out)
			require.NoError(t, unix.Kill(s.m.pid, unix.SIGTERM))
			s.atExit(t, hold, "secret", "ended")
		})
	}
}

// TestMappedPagesDoNotStay: on a mount that bypasses the page cache, what a
// mapping brought into it is dropped once the file is closed.
func TestMappedPagesDoNotStay(t *testing.T) {
	needRoot(t)
	for _, cache := range []string{"cached", "direct"} {
		t.Run(cache, func(t *testing.T) {
			s := newSecrets(t, options("cache="+cache))
			inCache := func() (n int) {
				err := as(s.m.owner, func() (err error) {
					n, err = cachedPages(s.path)
					return err
				})
				if errors.Is(err, unix.ENOSYS) {
					t.Skip("cachestat(2) needs Linux 6.5")
				}
				require.NoError(t, err)
				return n
			}
			if cache == "cached" {
				require.Positive(t, inCache(), "control: a cached file is in the page cache")
				return
			}
			assert.Eventually(t, func() bool { return inCache() == 0 }, 5*time.Second, 20*time.Millisecond)
		})
	}
}

// cachedPages counts the pages of a file in the page cache (cachestat(2), Linux
// 6.5), without reading it.
func cachedPages(path string) (int, error) {
	n := 0
	err := withFile(path, unix.O_RDONLY, func(fd int) error {
		var info unix.Cachestat_t
		err := unix.Cachestat(uint(fd), &unix.CachestatRange{}, &info, 0)
		n = int(info.Cache)
		return err
	})
	return n, err
}

// TestTampering: what somebody changes in the daemon's memory is read as EIO
// and logged, other files and the mount go on.
func TestTampering(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		name string
		do   func(t *testing.T, tamper func(how, file string), write func(content []byte))
		bad  []int64 // offsets that read as EIO
	}{
		{"flip", func(t *testing.T, tamper func(string, string), _ func([]byte)) { tamper("flip", "victim") }, []int64{0, 4096, 8192, 12288}},
		{"move", func(t *testing.T, tamper func(string, string), _ func([]byte)) { tamper("move", "victim") }, []int64{0, 4096}},
		{"move from another file", func(t *testing.T, tamper func(string, string), _ func([]byte)) {
			tamper("save", "other")
			tamper("replay", "victim")
		}, []int64{0, 4096, 8192, 12288}},
		{"replay", func(t *testing.T, tamper func(string, string), write func([]byte)) {
			tamper("save", "victim")
			write(bytes.Repeat([]byte("new contents 16B"), 1024))
			tamper("replay", "victim")
		}, []int64{0, 4096, 8192, 12288}},
	} {
		for _, cache := range []string{"cached", "direct"} {
			t.Run(c.name+", "+cache, func(t *testing.T) { tamperWith(t, cache, c.do, c.bad) })
		}
	}
}

func tamperWith(t *testing.T, cache string, do func(*testing.T, func(string, string), func([]byte)), bad []int64) {
	m := mountTest(t, options("size=16m", "encrypt=on", "cache="+cache), environ("SAFETMP_TEST_TAMPER=tamper."))
	victim, other := filepath.Join(m.dir, "victim"), filepath.Join(m.dir, "other")
	content := newMarker(t).fill(4 * 4096)
	write := func(content []byte) {
		require.NoError(t, as(m.owner, func() error { return os.WriteFile(victim, content, 0o600) }))
	}
	write(content)
	require.NoError(t, as(m.owner, func() error { return os.WriteFile(other, content, 0o600) }))
	do(t, func(how, file string) {
		require.NoError(t, as(m.owner, func() error {
			_, _ = os.Lstat(m.dir + "/tamper." + how + ":" + file)
			return nil
		}))
	}, write)
	require.NoError(t, as(m.owner, func() error {
		assert.Equal(t, bad, unreadable(t, victim), "offsets that read as EIO")
		assert.Empty(t, unreadable(t, other), "other files go on")
		return readBack(other, content)
	}))
	assert.Contains(t, m.logTail(), "contents were changed in memory", "the log tells")
	assert.Contains(t, m.logTail(), "page=0")
	write(content) // with a new key
	require.NoError(t, as(m.owner, func() error { return readBack(victim, content) }))
}

// unreadable reads each page past the page cache and returns the offsets that
// are EIO; nothing else may go wrong.
func unreadable(t *testing.T, path string) (bad []int64) {
	t.Helper()
	assert.NoError(t, withFile(path, unix.O_RDONLY|unix.O_DIRECT, func(fd int) error {
		page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		defer unix.Munmap(page)
		for off := int64(0); ; off += 4096 {
			n, err := unix.Pread(fd, page, off)
			switch {
			case err == unix.EIO:
				bad = append(bad, off)
			case err != nil:
				return err
			}
			if n == 0 && err == nil {
				return nil
			}
		}
	}))
	return bad
}
