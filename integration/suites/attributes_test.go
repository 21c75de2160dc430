package suites

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// change is a call that changes what stat(2) tells of a directory d, or of the
// file d/f in it. It is made again and again, n times so far.
type change struct {
	name string
	dir  bool // of the directory
	late bool // the kernel learns of it after the call
	do   func(d string, n int) error
}

var changes = []change{
	{"mkdir and rmdir", true, false, func(d string, n int) error {
		if n%2 == 0 {
			return unix.Mkdir(d+"/sub", 0o700)
		}
		return unix.Rmdir(d + "/sub")
	}},
	{"create and unlink", true, false, func(d string, n int) error {
		if n%2 == 0 {
			return touchFile(d+"/new", 0o600)
		}
		return unix.Unlink(d + "/new")
	}},
	{"rename", false, false, func(d string, _ int) error {
		return firstError(unix.Rename(d+"/f", d+"/g"), unix.Rename(d+"/g", d+"/f"))
	}},
	{"exchange", false, false, func(d string, _ int) error {
		for range 2 { // and f is f again
			if err := unix.Renameat2(unix.AT_FDCWD, d+"/f", unix.AT_FDCWD, d+"/other", unix.RENAME_EXCHANGE); err != nil {
				return err
			}
		}
		return nil
	}},
	{"rename into another directory", true, false, func(d string, n int) error {
		if n%2 == 0 {
			return unix.Rename(d+"/moving", d+"/../moving")
		}
		return unix.Rename(d+"/../moving", d+"/moving")
	}},
	{"link and unlink", false, false, func(d string, n int) error {
		if n%2 == 0 {
			return unix.Link(d+"/f", d+"/h")
		}
		return unix.Unlink(d + "/h")
	}},
	{"setxattr", false, false, func(d string, n int) error { return unix.Setxattr(d+"/f", "user.a", []byte{byte(n)}, 0) }},
	{"setxattr and removexattr of a directory", true, false, func(d string, n int) error {
		if n%2 == 0 {
			return unix.Setxattr(d, "user.a", []byte("value"), 0)
		}
		return unix.Removexattr(d, "user.a")
	}},
	{"punch", false, false, func(d string, n int) error {
		return withFile(d+"/f", func(fd int) error {
			if n%2 == 0 {
				return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, page)
			}
			return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, page)
		})
	}},
	{"chmod", false, false, func(d string, n int) error { return unix.Chmod(d+"/f", 0o600|uint32(n%2)<<6) }},
	{"utimensat", false, false, func(d string, n int) error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, d+"/f", []unix.Timespec{{Sec: int64(n)}, {Sec: int64(n)}}, 0)
	}},
	{"write", false, false, func(d string, n int) error {
		return withFile(d+"/f", func(fd int) error {
			_, err := unix.Pwrite(fd, []byte("x"), int64(n%9)*page)
			return err
		})
	}},
	{"truncate", false, false, func(d string, n int) error { return unix.Truncate(d+"/f", int64(n%5+1)*page) }},
	{"write by mapping", false, true, func(d string, n int) error {
		return withFile(d+"/f", func(fd int) error {
			pages, err := unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				return err
			}
			pages[0] = byte(n)
			return firstError(unix.Msync(pages, unix.MS_SYNC), unix.Munmap(pages))
		})
	}},
}

func withFile(path string, do func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return firstError(do(fd), unix.Close(fd))
}

// TestAttributesAreCurrent changes files while other threads ask for their
// attributes without a pause. An answer that was on its way during a change must
// not be what the kernel has cached after it: what stat(2) tells, which the cache
// answers for good, is what the daemon has.
func TestAttributesAreCurrent(t *testing.T) {
	for _, c := range askings() {
		t.Run(c.name, func(t *testing.T) {
			m := mountChecked(t, spend(shortBound, longBound), c.words, "size=64m")
			for _, change := range changes {
				if c.dirs && !change.dir {
					continue
				}
				t.Run(change.name, func(t *testing.T) { change.run(t, m.dir, c.ask) })
			}
			m.check(t)
		})
	}
}

// asking is a mount, and how its attributes are asked for.
type asking struct {
	name, words string
	dirs        bool // nothing else is asked for
	ask         func(path string) error
}

// askings is the mounts of this run; a soak has every row.
func askings() []asking {
	all := []asking{
		{"asked of the file", posix + ",mode=755", false, askAgain},
		{"asked for its birth", posix + ",mode=755", true, askForBirth},
		{"asked for the name", "profile=tmpdir,mode=1733," + wholly, true, askByName},
	}
	for _, c := range matrix {
		if soak {
			all = append(all, asking{c.name, strings.Join(slices.Concat(c.words, words(posix)), ","), false, askAgain})
		}
	}
	return all
}

// askAgain asks the daemon for the attributes, whatever is cached.
func askAgain(path string) error {
	var st unix.Statx_t
	return unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st)
}

// askForBirth is askAgain for the time of birth too, as stat(1) asks, which comes
// by another request.
func askForBirth(path string) error {
	var st unix.Statx_t
	return unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
}

// askByName walks a path. In a naming root of a shared mount each name is looked
// up anew, which brings the attributes along.
func askByName(path string) error {
	var st unix.Stat_t
	return unix.Stat(path, &st)
}

func (c change) run(t *testing.T, top string, ask func(string) error) {
	d := top + "/d"
	require.NoError(t, os.Mkdir(d, 0o700))
	defer func() { require.NoError(t, os.RemoveAll(d)) }()
	for _, name := range []string{"f", "other", "moving"} {
		require.NoError(t, os.WriteFile(d+"/"+name, []byte("content"), 0o600))
	}
	looked := d
	if !c.dir {
		looked += "/f"
	}
	asked, stop := askWithoutPause(looked, ask)
	changed, stale := c.repeat(t, d, looked, spend(150*time.Millisecond, 2*time.Second))
	stop()
	t.Logf("%d changes, %d questions", changed, asked.Load())
	assert.Zero(t, stale, "times that stat(2) told something else than the daemon")
	assert.Greater(t, asked.Load(), int64(changed), "questions by others")
}

// askWithoutPause asks from other threads until it is stopped.
func askWithoutPause(path string, ask func(string) error) (asked *atomic.Int64, stop func()) {
	asked = new(atomic.Int64)
	var stopping atomic.Bool
	var threads sync.WaitGroup
	for range 3 {
		threads.Go(func() {
			runtime.LockOSThread()
			for !stopping.Load() {
				if ask(path) == nil {
					asked.Add(1)
				}
			}
		})
	}
	return asked, func() {
		stopping.Store(true)
		threads.Wait()
	}
}

// looksCurrent compares what stat(2) tells, the second time, with what the daemon
// has. The first one may see the kernel in the middle of taking up an answer: it
// marks attributes as valid before it stores them (fuse_change_attributes_common
// in fs/fuse/inode.c).
func looksCurrent(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	_, err := bothStats(path)
	return err
}

// repeat changes and looks, for as long as it is told, and counts the looks that
// found something old.
func (c change) repeat(t *testing.T, d, looked string, length time.Duration) (changed, stale int) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for deadline := time.Now().Add(length); time.Now().Before(deadline); changed++ {
		require.NoError(t, c.do(d, changed))
		time.Sleep(time.Duration(changed%5) * 20 * time.Microsecond)
		err := looksCurrent(looked)
		for patience := 0; err != nil && c.late && patience < 100; patience++ {
			time.Sleep(time.Millisecond)
			err = looksCurrent(looked)
		}
		if err != nil {
			t.Logf("change %d: %v", changed, err)
			stale++
		}
	}
	return changed, stale
}
