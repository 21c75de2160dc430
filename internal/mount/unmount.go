package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Unmount detaches the mount if nobody uses it. It does not wait for the daemon.
//
// Errors: *Error; errors.Is(err, unix.EBUSY) if it is in use, ErrNotPermitted, ErrNotSafetmp if it is gone.
func Unmount(e Entry) error { return unmount(e, 0) }

// Detach takes the mount out of the namespace at once; its users keep what they hold until they let go of it
// (MNT_DETACH of umount(2)).
//
// Errors: as Unmount, but never EBUSY.
func Detach(e Entry) error { return unmount(e, unix.MNT_DETACH) }

// Abort ends the connection between kernel and daemon: requests in flight and all later ones fail, whether or not the
// daemon answers. Root does it by umount2(MNT_FORCE) in ForceDetach; this way is for the mount's owner and needs
// fusectl mounted.
func Abort(d Device) error {
	name := fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", d.Minor)
	return os.WriteFile(name, []byte("1\n"), 0)
}

// ForceDetach aborts the connection and takes the mount out of the namespace, whoever uses it.
//
// Errors: as Detach.
func ForceDetach(e Entry) error {
	path, err := e.place()
	if errors.Is(err, ErrNotSafetmp) {
		return err // its numbers may be another's
	}
	if fd, err := e.pin(path); err == nil { // nobody else gets them while it is open
		defer unix.Close(fd)
	}
	if e.Gone() {
		return &Error{Op: "unmount", Path: e.Mountpoint, Err: ErrNotSafetmp}
	}
	_ = Abort(e.Device) // where it is not possible, MNT_FORCE does it or the detach has to do
	return unmount(e, unix.MNT_FORCE|unix.MNT_DETACH)
}

// DetachAll detaches the mount and its copies elsewhere, as mount --bind makes them. That somebody else was faster is no
// error.
func DetachAll(e Entry) error {
	path, _ := e.place()
	if fd, err := e.pin(path); err == nil { // nobody else gets its device while it is open
		defer unix.Close(fd)
	}
	if e.Gone() {
		return nil
	}
	entries, err := Entries()
	for _, copied := range entries {
		if copied.Device != e.Device {
			continue
		}
		if failed := Detach(copied); !errors.Is(failed, ErrNotSafetmp) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// unmount takes away the very mount that is meant, wherever its directory has been moved to. Once it is gone the kernel
// may give both its numbers to another.
func unmount(e Entry, flags int) error {
	for try := 0; ; try++ {
		path, err := e.place()
		if err != nil {
			return err
		}
		if flags&unix.MNT_DETACH == 0 {
			err = detach(path, flags)
		} else {
			err = detachPinned(e, path, flags)
		}
		switch {
		case missed(err) && try < placeTries:
			time.Sleep(placePause)
		case errors.Is(err, unix.EBUSY) && try < busyTries:
			time.Sleep(busyPause)
		default:
			return err
		}
	}
}

// Whoever walks over a mountpoint at this moment makes it busy.
const (
	busyTries = 10
	busyPause = 5 * time.Millisecond
)

// Somebody may rename directories on the way to a mount all the time, so that its path is another one whenever it is
// used.
const (
	placeTries = 200
	placePause = time.Millisecond
)

// missed reports whether a path did not lead to the mount. It may be gone, or be elsewhere by now.
func missed(err error) bool {
	for _, sign := range []error{ErrNotSafetmp, unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EINVAL} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}

// place returns where a mount is now: by another path than it was made at if a directory on the way was renamed. A
// mount that is covered by another one cannot be named by any path.
func (e Entry) place() (string, error) {
	infos, err := mountinfo.GetMounts(nil)
	if err != nil {
		return "", fmt.Errorf("reading the mount table: %w", err)
	}
	path, top := "", 0
	for _, i := range infos {
		if i.ID == e.ID && e.Device == (Device{uint32(i.Major), uint32(i.Minor)}) {
			path = i.Mountpoint
		}
	}
	for _, i := range infos {
		if i.Mountpoint == path {
			top = i.ID
		}
	}
	switch {
	case path == "" || e.Gone(): // if it is still there, so it was in the table
		return "", &Error{Op: "unmount", Path: e.Mountpoint, Err: ErrNotSafetmp}
	case top != e.ID:
		return "", &Error{Op: "unmount", Path: path, Err: unix.EBUSY, Detail: "another mount lies on top of it"}
	}
	return path, nil
}

// detachPinned detaches the mount that an open descriptor leads to: if somebody puts something else in the way, it is not
// touched. Without MNT_DETACH the descriptor itself would keep the mount busy.
func detachPinned(e Entry, path string, flags int) error {
	fd, err := e.pin(path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.Unmount(fmt.Sprintf("/proc/self/fd/%d", fd), flags)
	if errors.Is(err, unix.EPERM) {
		return detachByHelper(path, flags)
	}
	if err != nil {
		return &Error{Op: "unmount", Path: path, Err: err}
	}
	return nil
}

// pin opens the root of the mount, as a place only, which asks neither the daemon nor the mount's owner check. The path
// says where to look; what is opened is the mount itself or nothing.
func (e Entry) pin(path string) (fd int, err error) {
	fd, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, &Error{Op: "unmount", Path: path, Err: err}
	}
	if id, err := mountID(fd); err != nil || id != e.ID || e.Gone() {
		_ = unix.Close(fd)
		return -1, &Error{Op: "unmount", Path: path, Err: ErrNotSafetmp}
	}
	return fd, nil
}

// mountID reads the id of the mount that a descriptor is part of, proc_pid_fdinfo(5). statx(2) would tell it too, and
// would be refused to root on the private mount of another user.
func mountID(fd int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strconv.Atoi(strings.TrimSpace(id))
		}
	}
	return 0, errors.New("fdinfo without mnt_id")
}

// detach calls umount2(2), or fusermount3 where that needs privilege.
func detach(path string, flags int) error {
	err := unix.Unmount(path, flags|unix.UMOUNT_NOFOLLOW)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return detachByHelper(path, flags)
	case errors.Is(err, unix.EINVAL):
		return &Error{Op: "unmount", Path: path, Err: caused(ErrNotSafetmp, err)}
	}
	return &Error{Op: "unmount", Path: path, Err: err}
}

// detachByHelper runs fusermount3 -u, which lets users unmount what they mounted.
func detachByHelper(path string, flags int) error {
	helper, err := findHelper("unmount")
	if err != nil {
		return err
	}
	args := []string{"-u"}
	if flags&unix.MNT_DETACH != 0 {
		args = append(args, "-z")
	}
	var said bytes.Buffer
	cmd := exec.Command(helper, append(args, "--", path)...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return helperError("unmount", path, err, said.String())
	}
	return nil
}
