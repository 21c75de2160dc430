package mount_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
	"safetmp/internal/mount"
)

// mounted mounts for a uid on a fresh directory of mode 0700 and closes the
// connection at the end.
func mounted(t *testing.T, uid uint32) *mount.Mounted {
	t.Helper()
	hosttest.NeedRoot(t, "to mount directly")
	dir := filepath.Join(t.TempDir(), "parent", "m")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	m, err := mount.Mount(mount.Spec{Mountpoint: dir, Source: "safetmp", UID: uid, GID: uid})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = m.Dev.Close()
		_ = m.Covered.Close()
		_ = mount.Detach(m.Entry) // the test may have unmounted
	})
	return m
}

// A mount whose daemon was killed makes room for the next.
func TestClearDead(t *testing.T) {
	for _, uid := range []uint32{0, 1000} {
		m := mounted(t, uid)
		require.NoError(t, m.Dev.Close())
		_, err := mount.Mount(mount.Spec{Mountpoint: m.Mountpoint, Source: "safetmp"})
		require.ErrorIs(t, err, mount.ErrAlreadyMounted)
		assert.True(t, mount.ClearDead(m.Entry), "uid %d", uid)
		_, err = mount.Find(m.Mountpoint)
		require.ErrorIs(t, err, mount.ErrNotSafetmp)
		assert.False(t, mount.ClearDead(m.Entry), "once")
	}
}

// A daemon that ends while it is asked is dead as well: its rings end after its
// process does.
func TestClearDying(t *testing.T) {
	m := mounted(t, 1000)
	answerInit(t, m.Dev)
	time.AfterFunc(100*time.Millisecond, func() { _ = m.Dev.Close() })
	assert.True(t, mount.ClearDead(m.Entry))
	_, err := mount.Find(m.Mountpoint)
	require.ErrorIs(t, err, mount.ErrNotSafetmp)
}

// answerInit answers the first request (fuse(4)), without which the kernel sends
// no other.
func answerInit(t *testing.T, dev *os.File) {
	t.Helper()
	request := make([]byte, 1<<17)
	_, err := dev.Read(request)
	require.NoError(t, err)
	reply := make([]byte, 16+64) // struct fuse_out_header, struct fuse_init_out
	binary.NativeEndian.PutUint32(reply, uint32(len(reply)))
	copy(reply[8:16], request[8:16])   // unique
	copy(reply[16:24], request[40:48]) // the kernel's version
	_, err = dev.Write(reply)
	require.NoError(t, err)
}

// A daemon that hangs is not dead.
func TestSilentMountStays(t *testing.T) {
	m := mounted(t, 1000)
	assert.False(t, mount.ClearDead(m.Entry))
	_, err := mount.Find(m.Mountpoint)
	require.NoError(t, err)
}

func TestUnmountFollowsARenamedParent(t *testing.T) {
	for name, unmount := range map[string]func(mount.Entry) error{"unmount": mount.Unmount, "detach": mount.Detach} {
		t.Run(name, func(t *testing.T) {
			m := mounted(t, 0)
			parent := filepath.Dir(m.Mountpoint)
			require.NoError(t, os.Rename(parent, parent+"2"))
			require.NoError(t, unmount(m.Entry))
			assert.NoError(t, os.Remove(filepath.Join(parent+"2", "m")), "nothing is mounted there any more")
		})
	}
}

// What lies on top at the same path is not ours to unmount.
func TestUnmountSparesWhatLiesOnTop(t *testing.T) {
	for name, unmount := range map[string]func(mount.Entry) error{
		"unmount": mount.Unmount, "detach": mount.Detach, "force": mount.ForceDetach,
	} {
		t.Run(name, func(t *testing.T) {
			m := mounted(t, 0)
			require.NoError(t, unix.Mount("none", m.Mountpoint, "tmpfs", 0, "size=4k"))
			t.Cleanup(func() { _ = unix.Unmount(m.Mountpoint, unix.MNT_DETACH) })
			err := unmount(m.Entry)
			require.ErrorIs(t, err, unix.EBUSY)
			assert.Contains(t, err.Error(), "on top")
			require.NoError(t, unix.Unmount(m.Mountpoint, 0))
			require.NoError(t, unmount(m.Entry))
		})
	}
}

// The covered directory can be reached by its descriptor alone, whatever it is
// called by then.
func TestCovered(t *testing.T) {
	m := mounted(t, 0)
	var over, under unix.Stat_t
	require.NoError(t, unix.Fstat(int(m.Covered.Fd()), &under))
	require.NoError(t, unix.Stat(filepath.Dir(m.Mountpoint), &over))
	assert.Equal(t, over.Dev, under.Dev)
	assert.EqualValues(t, 0o700, under.Mode&0o7777)
	flags, err := unix.FcntlInt(m.Covered.Fd(), unix.F_GETFD, 0)
	require.NoError(t, err)
	assert.NotZero(t, flags&unix.FD_CLOEXEC)
}

// The kernel gives the numbers of a mount that is gone to the next one, which must not be taken for it.
func TestNumbersUsedAgain(t *testing.T) {
	gone := mounted(t, 0)
	if gone.Unique == 0 {
		t.Skip("before Linux 6.8 nothing tells mounts apart that have the same numbers")
	}
	for range 1000 {
		require.NoError(t, mount.Detach(gone.Entry))
		require.NoError(t, gone.Dev.Close())
		next := mounted(t, 0)
		if next.ID != gone.ID || next.Device != gone.Device {
			gone = next // somebody else has them
			continue
		}
		for _, unmount := range []func(mount.Entry) error{mount.Unmount, mount.Detach, mount.ForceDetach} {
			assert.ErrorIs(t, unmount(gone.Entry), mount.ErrNotSafetmp)
		}
		require.NoError(t, next.Dev.Close())
		assert.False(t, mount.ClearDead(gone.Entry), "the next one is dead, and not ours")
		assert.True(t, gone.Gone())
		assert.False(t, next.Gone())
		return
	}
	t.Fatal("no mount was given the numbers of the one before")
}

// Every user is told of the ids that are never used again, also of what only somebody else may enter.
func TestUniqueIDs(t *testing.T) {
	m := mounted(t, 1000)
	if m.Unique == 0 {
		t.Skip("before Linux 6.8 the kernel does not tell")
	}
	require.NoError(t, hosttest.As(1001, func() error {
		found, err := mount.Find(m.Mountpoint)
		assert.Equal(t, m.Unique, found.Unique)
		return err
	}))
}
