package suites

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// owners prints owner, group and mode of a path.
func owners(path string) string {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return errname(err)
	}
	return fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode&0o7777)
}

// probeUsers asks who may do what to a file of alice.
func probeUsers(t *testing.T, dir string) facts {
	f := facts{}
	for _, mode := range []uint32{0o600, 0o644, 0o666, 0o660, 0o007, 0o000} {
		path := fmt.Sprintf("%s/%o", dir, mode)
		f.as(alice, fmt.Sprintf("create %o", mode), func() error { return touchFile(path, mode) })
		for _, uid := range []int{root, alice, bob} {
			f.as(uid, fmt.Sprintf("read %o", mode), func() error { return canOpen(path, unix.O_RDONLY) })
			f.as(uid, fmt.Sprintf("write %o", mode), func() error { return canOpen(path, unix.O_WRONLY) })
			f.as(uid, fmt.Sprintf("access %o", mode), func() error { return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.X_OK, 0) })
			f.as(uid, fmt.Sprintf("set times of %o", mode), func() error {
				return unix.UtimesNano(path, []unix.Timespec{{Sec: 1}, {Sec: 2}})
			})
			f.as(uid, fmt.Sprintf("set times of %o to now", mode), func() error {
				return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}, 0)
			})
			f.as(uid, fmt.Sprintf("attribute of %o", mode), func() error { return unix.Setxattr(path, "user.x", []byte("x"), 0) })
		}
		f.as(bob, fmt.Sprintf("chmod %o", mode), func() error { return unix.Chmod(path, 0o777) })
		for _, id := range []int{root, alice, bob, team} {
			f.as(bob, fmt.Sprintf("chown %o to %d", mode, id), func() error { return unix.Chown(path, id, -1) })
			f.as(bob, fmt.Sprintf("chgrp %o to %d", mode, id), func() error { return unix.Chown(path, -1, id) })
		}
		f[fmt.Sprintf("owners of %o", mode)] = owners(path)
	}
	return f
}

// probeSticky asks who may remove and rename in a sticky directory, and in one
// that is not.
func probeSticky(t *testing.T, dir string) facts {
	f := facts{}
	for _, mode := range []uint32{0o1777, 0o777, 0o1733, 0o733} {
		sub := fmt.Sprintf("%s/%o", dir, mode)
		require.NoError(t, mkdirExactly(sub, mode))
		for _, uid := range []int{root, bob} {
			f.as(alice, fmt.Sprintf("create in %o for %d", mode, uid), func() error { return touchFile(sub+"/file", 0o666) })
			f.as(uid, fmt.Sprintf("rename in %o", mode), func() error { return unix.Rename(sub+"/file", sub+"/moved") })
			f.as(uid, fmt.Sprintf("list %o", mode), func() error { _, err := os.ReadDir(sub); return err })
			f.as(uid, fmt.Sprintf("remove in %o", mode), func() error { return firstError(unix.Unlink(sub+"/moved"), unix.Unlink(sub+"/file")) })
			_, _ = os.Remove(sub+"/file"), os.Remove(sub+"/moved")
			f.as(uid, fmt.Sprintf("replace in %o", mode), func() error {
				return firstError(act(alice, func() error { return touchFile(sub+"/victim", 0o666) }), touchFile(sub+"/own", 0o600),
					unix.Rename(sub+"/own", sub+"/victim"))
			})
			_, _ = os.Remove(sub+"/victim"), os.Remove(sub+"/own")
		}
	}
	return f
}

// probeGroups asks about groups: set-group-ID directories, chgrp by the owner,
// set-id bits that go.
func probeGroups(t *testing.T, dir string) facts {
	f := facts{}
	sub := dir + "/sub"
	require.NoError(t, mkdirExactly(sub, 0o777))
	require.NoError(t, unix.Chown(sub, root, team))
	require.NoError(t, unix.Chmod(sub, 0o2777))
	f.as(alice, "create", func() error { return touchFile(sub+"/file", 0o664) })
	f["group of a file"] = owners(sub + "/file")
	f.as(alice, "mkdir", func() error { return unix.Mkdir(sub+"/dir", 0o775) })
	f["group of a directory"] = owners(sub + "/dir")
	f.as(bob, "write by group", func() error { return canOpen(sub+"/file", unix.O_WRONLY) })
	own := dir + "/own"
	f.as(alice, "create own", func() error { return touchFile(own, 0o755) })
	for _, gid := range []int{team, bob, root, alice} {
		f.as(alice, fmt.Sprint("chgrp to ", gid), func() error { return unix.Chown(own, -1, gid) })
	}
	f.as(alice, "chown", func() error { return unix.Chown(own, bob, -1) })
	f.as(alice, "set-id", func() error { return unix.Chmod(own, 0o6777) })
	f["set-id"] = owners(own)
	f.as(bob, "write to set-id", func() error { return writeByte(own) })
	f["set-id after a write"] = owners(own)
	f.as(alice, "set-id again", func() error { return unix.Chmod(own, 0o6777) })
	f.as(root, "chown of set-id", func() error { return unix.Chown(own, bob, bob) })
	f["set-id after a chown"] = owners(own)
	f.as(bob, "set-group-ID of a foreign group", func() error {
		return firstError(unix.Chmod(own, 0o2755), unix.Chown(own, -1, team))
	})
	f["foreign group"] = owners(own)
	file := dir + "/file"
	f.as(alice, "set-group-ID without execute", func() error {
		return firstError(touchFile(file, 0o2644), unix.Chown(file, -1, team))
	})
	f["chgrp to a further group"] = owners(file)
	f.as(alice, "write by group without execute", func() error { return writeByte(file) })
	f["write to a file of a further group"] = owners(file)
	f.as(root, "set-group-ID again", func() error { return unix.Chmod(file, 0o2644) })
	f.as(alice, "chgrp back", func() error { return unix.Chown(file, -1, alice) })
	f["chgrp from a further group"] = owners(file)
	return f
}

// writeByte is one write(2).
func writeByte(path string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte("x"))
	return firstError(err, unix.Close(fd))
}

// probeContainer does what a container does: root prepares a directory, gives it
// to the user of the application, who works in it.
func probeContainer(t *testing.T, dir string) facts {
	f := facts{}
	data := dir + "/data"
	f.note("mkdir", unix.Mkdir(data, 0o700))
	f.note("chown", unix.Chown(data, alice, alice))
	f.as(alice, "write", func() error { return os.WriteFile(data+"/file", []byte("x"), 0o600) })
	f.as(alice, "mkdir", func() error { return os.MkdirAll(data+"/a/b", 0o700) })
	f.as(bob, "enter", func() error { return canOpen(data+"/file", unix.O_RDONLY) })
	f.as(root, "read", func() error { return canOpen(data+"/file", unix.O_RDONLY) })
	f.as(root, "write", func() error { return os.WriteFile(data+"/by-root", []byte("x"), 0o600) })
	f.as(alice, "read what root wrote", func() error { return canOpen(data+"/by-root", unix.O_RDONLY) })
	f.as(alice, "remove what root wrote", func() error { return unix.Unlink(data + "/by-root") })
	f["owners"] = owners(data) + ", " + owners(data+"/file")
	f.as(root, "chown back", func() error { return unix.Lchown(data+"/file", root, root) })
	f.as(alice, "read what is root's", func() error { return canOpen(data+"/file", unix.O_RDONLY) })
	f.as(alice, "remove all", func() error { return os.RemoveAll(data) })
	return f
}
