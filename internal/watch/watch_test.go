package watch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
	"safetmp/internal/mount"
)

// each runs a test for every way to mount.
func each(t *testing.T, test func(t *testing.T, uid int)) {
	for _, uid := range users(t) {
		t.Run(fmt.Sprint("as ", uid), func(t *testing.T) { test(t, uid) })
	}
}

func TestKilledDaemon(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o755)
		d := startDaemon(t, uid, dir)
		socket := filepath.Join(filepath.Dir(dir), "socket")
		require.NoError(t, os.WriteFile(socket, nil, 0o600))
		require.Equal(t, "ok", d.tell(t, "announce", socket))
		d.kill()
		within(t, "the dead mount is detached", func() bool { return !isMounted(dir) })
		assert.EqualValues(t, 0o500, modeOf(t, dir))
		within(t, "the watcher exits", d.watcherGone)
		assert.NoFileExists(t, socket)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, entries)
	})
}

// What a kill leaves does not keep anybody from mounting there again, and is left as it was found.
func TestMountAfterKill(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o700)
		startDaemon(t, uid, dir).kill()
		within(t, "detached", func() bool { return !isMounted(dir) })
		require.EqualValues(t, 0o500, modeOf(t, dir))
		d := startDaemon(t, uid, dir)
		require.Equal(t, "ok", d.tell(t, "unmount"))
		assert.EqualValues(t, 0o500, modeOf(t, dir))
	})
}

func TestOrderlyUnmountRestoresTheMode(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		for _, mode := range []uint32{0o700, 0o755, 0o1777, 0o2750, 0o500} {
			dir := place(t, uid, 0)
			require.NoError(t, unix.Chmod(dir, mode))
			for _, word := range []string{"unmount", "force"} {
				d := startDaemon(t, uid, dir)
				require.Equal(t, "ok", d.tell(t, word), "%s", word)
				assert.Equal(t, mode, modeOf(t, dir), "at once")
				assert.False(t, isMounted(dir))
				assert.Equal(t, "gone", d.tell(t, "unmount"))
				assert.Equal(t, "ok", d.tell(t, "end"))
				within(t, "the watcher exits", d.watcherGone)
				d.kill()
				assert.Equal(t, mode, modeOf(t, dir))
			}
		}
	})
}

// An aborted connection leaves a mount; the end of its daemon takes it away.
func TestEndDetaches(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o750)
		d := startDaemon(t, uid, dir)
		assert.Equal(t, "ok", d.tell(t, "end"))
		assert.False(t, isMounted(dir))
		assert.EqualValues(t, 0o750, modeOf(t, dir))
		assert.True(t, d.watcherGone(), "the daemon has waited for it")
	})
}

// unmountOutside is what a user does.
func unmountOutside(t *testing.T, uid int, dir string, flags int) {
	t.Helper()
	if uid == 0 {
		require.NoError(t, unix.Unmount(dir, flags))
		return
	}
	args := []string{"--reuid", fmt.Sprint(uid), "--regid", fmt.Sprint(uid), "--clear-groups", "fusermount3", "-u"}
	if flags == unix.MNT_DETACH {
		args = append(args, "-z")
	}
	out, err := exec.Command("setpriv", append(args, dir)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Whoever unmounts, the mode is back before anything else is mounted there, and whatever becomes of the first daemon
// then, the second mount is not its watcher's to take: the kernel has given it the numbers of the first.
func TestUnmountFromOutside(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		for _, flags := range []int{0, unix.MNT_DETACH} {
			dir := place(t, uid, 0o711)
			first := startDaemon(t, uid, dir)
			if flags == unix.MNT_DETACH {
				hold(t, dir)
			}
			unmountOutside(t, uid, dir, flags)
			within(t, "the mode is back", func() bool { return modeOf(t, dir) == 0o711 })
			second := startDaemon(t, uid, dir)
			// Unless somebody else mounts meanwhile, this is the trap.
			t.Logf("same numbers: %t", numbers(first) == numbers(second))
			first.kill()
			within(t, "the first watcher exits", first.watcherGone)
			assert.True(t, isMounted(dir), "the second mount stays")
			require.Equal(t, "ok", second.tell(t, "unmount"))
			assert.EqualValues(t, 0o711, modeOf(t, dir))
		}
	})
}

// numbers are those of the mount that the kernel uses again.
func numbers(d *daemon) string { return strings.Join(strings.Fields(d.device)[1:3], " ") }

// hold keeps a mount in use for the rest of the test.
func hold(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
}

func TestBusy(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o700)
		d := startDaemon(t, uid, dir)
		hold(t, dir)
		assert.Equal(t, "busy", d.tell(t, "unmount"))
		assert.True(t, isMounted(dir))
		assert.Equal(t, "ok", d.tell(t, "force"))
		assert.False(t, isMounted(dir))
		assert.EqualValues(t, 0o700, modeOf(t, dir))
	})
}

func TestRenamedParent(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		for _, word := range []string{"kill", "unmount"} {
			dir := place(t, uid, 0o700)
			d := startDaemon(t, uid, dir)
			elsewhere := filepath.Join(filepath.Dir(filepath.Dir(dir)), "renamed")
			require.NoError(t, os.Rename(filepath.Dir(dir), elsewhere))
			moved := filepath.Join(elsewhere, "m")
			require.True(t, isMounted(moved))
			want := uint32(0o700)
			if word == "kill" {
				d.kill()
				want = 0o500
			} else {
				require.Equal(t, "ok", d.tell(t, word))
			}
			within(t, "unmounted", func() bool { return !isMounted(moved) })
			assert.Equal(t, want, modeOf(t, moved))
		}
	})
}

// What lies on top of the dead mount belongs to somebody.
func TestCoveredMount(t *testing.T) {
	dir := place(t, 0, 0o700)
	d := startDaemon(t, users(t)[0], dir)
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=4k,mode=0751"))
	d.kill()
	time.Sleep(300 * time.Millisecond)
	assert.EqualValues(t, 0o751, modeOf(t, dir), "the other mount is there")
	assert.False(t, d.watcherGone(), "the watcher has not given up")
	require.NoError(t, unix.Unmount(dir, 0))
	within(t, "detached", func() bool { return !isMounted(dir) })
	assert.EqualValues(t, 0o500, modeOf(t, dir))
	within(t, "the watcher exits", d.watcherGone)
}

// Copies of the mount are as dead as the mount.
func TestBoundElsewhere(t *testing.T) {
	dir := place(t, 0, 0o700)
	d := startDaemon(t, users(t)[0], dir)
	copied := place(t, 0, 0o700)
	require.NoError(t, unix.Mount(dir, copied, "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(copied, unix.MNT_DETACH) })
	d.kill()
	within(t, "both detached", func() bool { return !isMounted(dir) && !isMounted(copied) })
	assert.EqualValues(t, 0o500, modeOf(t, dir))
	assert.EqualValues(t, 0o700, modeOf(t, copied))
}

// Where the mode cannot be changed everything else is as ever.
func TestReadOnlyPlace(t *testing.T) {
	base := place(t, 0, 0o755)
	require.NoError(t, unix.Mount("none", base, "tmpfs", 0, "size=64k,mode=0755"))
	t.Cleanup(func() { _ = unix.Unmount(base, unix.MNT_DETACH) })
	dir := filepath.Join(base, "m")
	require.NoError(t, os.Mkdir(dir, 0o711))
	require.NoError(t, unix.Mount("", base, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	d := startDaemon(t, users(t)[0], dir)
	d.kill()
	within(t, "detached", func() bool { return !isMounted(dir) })
	assert.EqualValues(t, 0o711, modeOf(t, dir))
	within(t, "the watcher exits", d.watcherGone)
	within(t, "nobody holds the place", func() bool { return unix.Unmount(base, 0) == nil })
}

// A directory of somebody else's that a user may mount on keeps its mode.
func TestForeignPlace(t *testing.T) {
	all := users(t)
	uid := all[len(all)-1]
	if uid == os.Getuid() {
		hosttest.Missing(t, "needs root, to make a directory of another owner")
	}
	dir := place(t, 0, 0o777)
	d := startDaemon(t, uid, dir)
	d.kill()
	within(t, "detached", func() bool { return !isMounted(dir) })
	assert.EqualValues(t, 0o777, modeOf(t, dir))
}

// Who changes the mode of the covered directory meanwhile knows why.
func TestChangedMode(t *testing.T) {
	dir := place(t, 0, 0o700)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	d := startDaemon(t, users(t)[0], dir)
	require.NoError(t, unix.Chmod(fdPath(fd), 0o755))
	require.Equal(t, "ok", d.tell(t, "unmount"))
	assert.EqualValues(t, 0o755, modeOf(t, dir))
}

// A daemon whose watcher was killed goes on, and leaves unmounting to others.
func TestLostWatcher(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o700)
		d := startDaemon(t, uid, dir)
		require.NoError(t, unix.Kill(d.watcher, unix.SIGKILL))
		within(t, "the watcher is gone, and no zombie", d.watcherGone)
		assert.True(t, isMounted(dir))
		assert.Equal(t, "lost", d.tell(t, "unmount"))
		assert.Equal(t, "lost", d.tell(t, "force"))
		unmountOutside(t, uid, dir, 0)
		assert.EqualValues(t, 0o500, modeOf(t, dir), "nobody is there to give it back")
		begun := time.Now()
		assert.Equal(t, "lost", d.tell(t, "end"))
		assert.Less(t, time.Since(begun), promised())
	})
}

// Who unmounted in the watcher's place comes for the report after the daemon has ended the guard.
func TestLostWatcherIsNoticedAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o700)
		d := startDaemon(t, uid, dir)
		require.NoError(t, unix.Kill(d.watcher, unix.SIGKILL))
		unmountOutside(t, uid, dir, 0)
		assert.Equal(t, "lost", d.tell(t, "end"))
	})
}

func TestWatcherIsNotLostWhenItEndsInTime(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o700)
		d := startDaemon(t, uid, dir)
		require.Equal(t, "ok", d.tell(t, "unmount"))
		assert.Equal(t, "ok", d.tell(t, "end"))
	})
}

// If both are killed, the next mount can clear what is left.
func TestBothKilled(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		dir := place(t, uid, 0o700)
		d := startDaemon(t, uid, dir)
		require.NoError(t, unix.Kill(d.watcher, unix.SIGSTOP))
		d.kill()
		require.NoError(t, unix.Kill(d.watcher, unix.SIGKILL))
		within(t, "the watcher is gone", d.watcherGone)
		e, err := mount.Find(dir)
		require.NoError(t, err)
		assert.True(t, mount.ClearDead(e))
		assert.EqualValues(t, 0o500, modeOf(t, dir))
	})
}

// A service manager signals all processes of a service; the watcher is needed until its daemon has ended.
func TestSignalsDoNotEndTheWatcher(t *testing.T) {
	dir := place(t, 0, 0o700)
	d := startDaemon(t, users(t)[0], dir)
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT} {
		require.NoError(t, unix.Kill(d.watcher, s))
	}
	time.Sleep(100 * time.Millisecond)
	require.False(t, d.watcherGone())
	assert.Equal(t, "ok", d.tell(t, "unmount"))
	assert.EqualValues(t, 0o700, modeOf(t, dir))
}

// The table of mounts changes all the time on a busy machine, which is no news to the watcher.
func TestOtherMountsAreNoNews(t *testing.T) {
	dir := place(t, 0, 0o700)
	d := startDaemon(t, users(t)[0], dir)
	other := place(t, 0, 0o700)
	for range 50 {
		require.NoError(t, unix.Mount("none", other, "tmpfs", 0, "size=4k"))
		require.NoError(t, unix.Unmount(other, 0))
	}
	d.kill()
	within(t, "detached", func() bool { return !isMounted(dir) })
	assert.EqualValues(t, 0o500, modeOf(t, dir))
}

func TestServeByHand(t *testing.T) {
	for _, args := range [][]string{nil, {"1", "0:1", "2", "/x"}, {"1"}} {
		cmd := exec.Command("/proc/self/exe", append([]string{"test-watch"}, append(args, "")[:max(len(args), 1)]...)...)
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(out), ErrUse.Error())
	}
}

// TestNumbersUsedAgain: the kernel gives the numbers of a mount to the next one. A watcher whose own is unmounted leaves
// that one alone, however late it looks.
func TestNumbersUsedAgain(t *testing.T) {
	for name, part := range map[string]string{"unmounted by the watcher": "test-reuse", "by somebody else": "test-late"} {
		t.Run(name, func(t *testing.T) {
			uid := users(t)[0]
			other := startDaemon(t, uid, place(t, uid, 0o700))
			words := strings.Fields(other.device) // ready, id, device, unique id
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
			defer ours.Close()
			defer theirs.Close()
			covered, err := os.Open(t.TempDir())
			require.NoError(t, err)
			defer covered.Close()
			cmd := exec.Command(executable(t), part, words[1], words[2], words[3], other.dir)
			cmd.ExtraFiles = []*os.File{theirs, covered}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Equal(t, "ok", other.tell(t, "unmount"), "the other mount is there")
		})
	}
}
