package mount

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// target is a checked mountpoint, held open so that what was checked is what is mounted on.
type target struct {
	fd   int
	path string // absolute, symbolic links resolved
}

// openTarget checks the mountpoint: it exists, is a directory, no safetmp is on it, and it is empty.
func openTarget(dir string) (*target, error) {
	if e, err := Find(dir); err == nil {
		return nil, &Error{Op: "mount", Path: dir, Err: ErrAlreadyMounted, hint: "safetmp umount " + e.Mountpoint}
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, mountpointError(dir, err)
	}
	t := &target{fd: fd}
	if err := t.check(dir); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// check fills in the path and looks for files.
func (t *target) check(dir string) error {
	path, err := os.Readlink(t.procPath())
	if err != nil {
		return &Error{Op: "mount", Path: dir, Err: err, hint: "is /proc mounted?"}
	}
	t.path = path
	empty, err := t.empty()
	if err != nil {
		return mountpointError(dir, err)
	}
	if !empty {
		return &Error{Op: "mount", Path: dir, Err: ErrNotEmpty, hint: "the mount would hide what is in it; choose an empty directory"}
	}
	return nil
}

// empty reports whether the directory has no entries.
func (t *target) empty() (bool, error) {
	fd, err := unix.Open(t.procPath(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	d := os.NewFile(uintptr(fd), t.path)
	defer d.Close()
	names, err := d.Readdirnames(1)
	if len(names) > 0 {
		return false, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return true, nil
}

// procPath names the open directory itself, whatever its path leads to by now.
func (t *target) procPath() string { return fmt.Sprintf("/proc/self/fd/%d", t.fd) }

// makeWritable gives the owner of the directory the right to write that fusermount3 insists on: a mount whose daemon was
// killed leaves it without. The caller calls restore once mounted.
func (t *target) makeWritable() (restore func()) {
	const write = 0o200
	var stat unix.Stat_t
	if err := unix.Fstat(t.fd, &stat); err != nil || stat.Mode&write != 0 || int(stat.Uid) != os.Geteuid() {
		return func() {}
	}
	mode := stat.Mode & 0o7777
	_ = unix.Chmod(t.procPath(), mode|write) // the helper will say what is wrong
	return func() { _ = unix.Chmod(t.procPath(), mode) }
}

// open opens the root of what is mounted on the directory, as a place only. It starts from the directory itself, so that
// nobody who renames a part of its path can lead it elsewhere.
func (t *target) open() (fd int, err error) {
	path, err := os.Readlink(t.procPath())
	if err != nil {
		return -1, err
	}
	return unix.Open(t.procPath()+"/../"+filepath.Base(path), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// mounted returns the id of the topmost mount on the directory.
func (t *target) mounted() (id int, err error) {
	fd, err := t.open()
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return mountID(fd)
}

// detach takes what Mount has mounted away again.
func (t *target) detach() {
	fd, err := t.open()
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if err := unix.Unmount(fmt.Sprintf("/proc/self/fd/%d", fd), unix.MNT_DETACH); err != nil {
		_ = detach(t.path, unix.MNT_DETACH) // as an ordinary user, by the helper
	}
}

func (t *target) close() { _ = unix.Close(t.fd) }

// mountpointError puts the errno of opening a mountpoint into words.
func mountpointError(dir string, err error) error {
	e := &Error{Op: "mount", Path: dir, Err: err}
	switch {
	case errors.Is(err, unix.ENOENT):
		e.Err, e.hint = ErrNoMountpoint, "create it: mkdir -m 700 "+shellQuote(dir)
	case errors.Is(err, unix.ENOTDIR):
		e.Err = ErrNotDirectory
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		e.Err, e.hint = caused(ErrNotPermitted, err), "the directory must be yours"
	case errors.Is(err, unix.ENOTCONN):
		e.Err, e.hint = caused(ErrAlreadyMounted, err), "a dead FUSE mount is in the way: fusermount3 -u "+shellQuote(dir)
	}
	return e
}

// shellQuote makes a path fit for pasting.
func shellQuote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+:,@%") == "" && path != "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
