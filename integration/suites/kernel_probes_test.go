package suites

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mkdirExactly is mkdir(2) without the umask.
func mkdirExactly(path string, mode uint32) error {
	if err := unix.Mkdir(path, mode); err != nil {
		return err
	}
	return unix.Chmod(path, mode)
}

// touchFile makes an empty file with exactly this mode.
func touchFile(path string, mode uint32) error {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	return firstError(unix.Fchmod(fd, mode), unix.Close(fd))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// canOpen opens and closes.
func canOpen(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o666)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func probeChroot(t *testing.T, dir string) facts {
	f := facts{}
	require.NoError(t, os.WriteFile(dir+"/outside", []byte("outside"), 0o600))
	require.NoError(t, os.MkdirAll(dir+"/jail/sub", 0o755))
	require.NoError(t, os.WriteFile(dir+"/jail/file", []byte("content"), 0o600))
	f.note("chroot", act(root, func() error {
		if err := unix.Chroot(dir + "/jail"); err != nil {
			return err
		}
		if err := unix.Chdir("/sub"); err != nil {
			return err
		}
		data, err := os.ReadFile("/file")
		f.value("read", string(data), err)
		data, err = os.ReadFile("../../../file")
		f.value("read upwards", string(data), err)
		f.note("outside", canOpen("/../outside", unix.O_RDONLY))
		f.note("write", os.WriteFile("/new", []byte("new"), 0o600))
		f.note("symlink", unix.Symlink("/file", "/link"))
		data, err = os.ReadFile("/link")
		f.value("absolute link", string(data), err)
		wd, err := unix.Getcwd(make([]byte, 100))
		f.value("getcwd", wd, err)
		return nil
	}))
	data, err := os.ReadFile(dir + "/jail/new")
	f.value("seen from outside", string(data), err)
	return f
}

func probeBind(t *testing.T, dir string) facts {
	f := facts{}
	require.NoError(t, os.MkdirAll(dir+"/sub/deep", 0o755))
	require.NoError(t, os.WriteFile(dir+"/sub/file", []byte("content"), 0o600))
	at := newMountpoint(t)
	defer func() { require.NoError(t, os.Remove(at)) }()
	require.NoError(t, unix.Mount(dir+"/sub", at, "", unix.MS_BIND, ""))
	defer func() { require.NoError(t, unmount(at)) }()
	data, err := os.ReadFile(at + "/file")
	f.value("read", string(data), err)
	f.note("write", os.WriteFile(at+"/new", []byte("new"), 0o600))
	data, err = os.ReadFile(dir + "/sub/new")
	f.value("seen in the original", string(data), err)
	f.note("rename within", unix.Rename(at+"/new", at+"/deep/new"))
	f.note("rename across", unix.Rename(at+"/file", dir+"/file"))
	f.note("link across", unix.Link(at+"/file", dir+"/file"))
	_, err = os.Stat(at + "/../file")
	f.note("upwards", err)
	f.note("remove the origin", unix.Rmdir(dir+"/sub"))
	f.note("rename the origin", unix.Rename(dir+"/sub", dir+"/renamed"))
	data, err = os.ReadFile(at + "/deep/new")
	f.value("after the rename", string(data), err)
	f.note("read-only", unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""))
	f.note("write to read-only", canOpen(at+"/file", unix.O_WRONLY))
	f.note("create in read-only", canOpen(at+"/x", unix.O_WRONLY|unix.O_CREAT))
	f.note("chmod in read-only", unix.Chmod(at+"/file", 0o600))
	f.note("write to the original", canOpen(dir+"/renamed/file", unix.O_WRONLY))
	return f
}

func probeInside(t *testing.T, dir string) facts {
	f := facts{}
	require.NoError(t, os.Mkdir(dir+"/mnt", 0o755))
	require.NoError(t, os.WriteFile(dir+"/mnt/hidden", []byte("hidden"), 0o600))
	require.NoError(t, os.WriteFile(dir+"/target", nil, 0o600))
	require.NoError(t, os.WriteFile(dir+"/source", []byte("source"), 0o600))
	f.note("mount", unix.Mount("tmpfs", dir+"/mnt", "tmpfs", 0, "size=1m"))
	f.note("bind a file", unix.Mount(dir+"/source", dir+"/target", "", unix.MS_BIND, ""))
	data, err := os.ReadFile(dir + "/target")
	f.value("read the file", string(data), err)
	f.note("hidden", canOpen(dir+"/mnt/hidden", unix.O_RDONLY))
	f.note("rmdir", unix.Rmdir(dir+"/mnt"))
	f.note("rename", unix.Rename(dir+"/mnt", dir+"/other"))
	f.note("unlink", unix.Unlink(dir+"/target"))
	f.note("replace", unix.Rename(dir+"/source", dir+"/target"))
	f.note("rename out", unix.Rename(dir+"/source", dir+"/mnt/source"))
	f.note("umount", unmount(dir+"/mnt"))
	f.note("umount the file", unmount(dir+"/target"))
	data, err = os.ReadFile(dir + "/mnt/hidden")
	f.value("hidden no more", string(data), err)
	return f
}

// probeIDMap maps root to alice on a clone of the mount.
func probeIDMap(t *testing.T, dir string) facts {
	f := facts{}
	holder := exec.Command("sleep", "60")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: root, HostID: alice, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: root, HostID: alice, Size: 1}}}
	require.NoError(t, holder.Start())
	defer func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	}()
	ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", holder.Process.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(ns)
	tree, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(tree)
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)})
	f.note("mount_setattr", err)
	f.note("the mount itself", touchFile(dir+"/file", 0o600))
	return f
}

func probeLeases(t *testing.T, dir string) facts {
	f := facts{}
	path := dir + "/file"
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	lease := func(fd, kind int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, kind)
		return err
	}
	reader, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	f.note("read lease", lease(reader, unix.F_RDLCK))
	kind, err := unix.FcntlInt(uintptr(reader), unix.F_GETLEASE, 0)
	f.value("get", kind, err)
	f.note("open for writing", canOpen(path, unix.O_WRONLY))
	f.note("give up", lease(reader, unix.F_UNLCK))
	f.note("open for writing then", canOpen(path, unix.O_WRONLY))
	f.note("write lease for reading", lease(reader, unix.F_WRLCK))
	require.NoError(t, unix.Close(reader))
	writer, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	f.note("read lease while written", lease(writer, unix.F_RDLCK))
	f.note("write lease", lease(writer, unix.F_WRLCK))
	f.note("open for reading", canOpen(path, unix.O_RDONLY))
	require.NoError(t, unix.Close(writer))
	f.note("open after close", canOpen(path, unix.O_RDONLY))
	return f
}

func probePaths(t *testing.T, dir string) facts {
	f := facts{}
	f.note("name of 255", touchFile(dir+"/"+strings.Repeat("n", 255), 0o600))
	f.note("name of 256", touchFile(dir+"/"+strings.Repeat("n", 256), 0o600))
	f.note("255 bytes of three-byte letters", touchFile(dir+"/"+strings.Repeat("€", 85), 0o600))
	f.note("directory of 255", unix.Mkdir(dir+"/"+strings.Repeat("d", 255), 0o700))
	require.NoError(t, act(root, func() error {
		if err := unix.Chdir(dir); err != nil {
			return err
		}
		path := strings.Repeat(strings.Repeat("p", 200)+"/", 20)
		f.note("mkdir", os.MkdirAll(path, 0o700))
		longest := path + strings.Repeat("q", 4095-len(path)-1)
		f.value("length", len(longest), nil)
		f.note("path of 4094", touchFile(longest, 0o600))
		f.note("path of 4095", touchFile(longest+"q", 0o600))
		f.note("path of 4096", touchFile(longest+"qq", 0o600))
		f.note("stat", canOpen(longest, unix.O_RDONLY))
		for range 30 {
			if err := firstError(unix.Mkdir("deeper", 0o700), unix.Chdir("deeper")); err != nil {
				return err
			}
		}
		f.note("deeper", touchFile("file", 0o600))
		return nil
	}))
	return f
}

func probeOffsets(t *testing.T, dir string) facts {
	f := facts{}
	fd, err := unix.Open(dir+"/far", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	require.NoError(t, err)
	defer unix.Close(fd)
	far := int64(math.MaxInt64)
	size := func() int64 {
		var st unix.Stat_t
		_ = unix.Fstat(fd, &st)
		return st.Size
	}
	for _, off := range []int64{1 << 40, 1<<62 + 1, far - page - 1, far - page, far - 1, far} {
		n, err := unix.Pwrite(fd, []byte("ab"), off)
		f.value(fmt.Sprint("write at ", off), n, err)
		buf := make([]byte, 4)
		n, err = unix.Pread(fd, buf, off)
		f.value(fmt.Sprint("read at ", off), fmt.Sprint(n, " ", buf), err)
		f.value(fmt.Sprint("size after ", off), size(), nil)
	}
	f.note("truncate to the end", unix.Ftruncate(fd, far))
	f.value("size", size(), nil)
	f.note("allocate beyond", unix.Fallocate(fd, 0, far-10, 100))
	f.note("punch beyond", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, far-10, 100))
	at, err := unix.Seek(fd, 0, unix.SEEK_END)
	f.value("seek to the end", at, err)
	at, err = unix.Seek(fd, 1, unix.SEEK_END)
	f.value("seek beyond", at, err)
	n, err := unix.Write(fd, []byte("x"))
	f.value("write at the end", n, err)
	return f
}

func probeRemoved(t *testing.T, dir string) facts {
	f := facts{}
	require.NoError(t, os.Mkdir(dir+"/gone", 0o755))
	fd, err := unix.Open(dir+"/gone", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Rmdir(dir+"/gone"))
	var st unix.Stat_t
	f.note("stat", unix.Fstat(fd, &st))
	f.value("links", st.Nlink, nil)
	n, err := unix.Getdents(fd, make([]byte, 1000))
	f.value("listing", n, err)
	self := fmt.Sprint("/proc/self/fd/", fd)
	f.note("create", canOpen(self+"/x", unix.O_CREAT|unix.O_WRONLY))
	f.note("tmpfile", canOpen(self, unix.O_TMPFILE|unix.O_WRONLY))
	f.note("mkdir", unix.Mkdirat(fd, "x", 0o700))
	f.note("upwards", unix.Fstatat(fd, "..", &st, 0))
	f.note("chmod", unix.Fchmod(fd, 0o700))
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
	f.note("rename into", unix.Renameat(unix.AT_FDCWD, dir+"/file", fd, "x"))
	f.note("link into", unix.Linkat(unix.AT_FDCWD, dir+"/file", fd, "x", 0))
	f.note("work in it", act(root, func() error {
		if err := unix.Fchdir(fd); err != nil {
			return err
		}
		_, err := unix.Getcwd(make([]byte, 100))
		f.note("getcwd", err)
		return nil
	}))
	f.note("made again", os.Mkdir(filepath.Join(dir, "gone"), 0o755))
	f.note("still removed", unix.Mkdirat(fd, "x", 0o700))
	return f
}
