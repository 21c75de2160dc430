package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"

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
	_ = Abort(e.Device) // where it is not possible, MNT_FORCE does it or the detach has to do
	return unmount(e, unix.MNT_FORCE|unix.MNT_DETACH)
}

// unmount makes sure that the mount in question is still the one on top at its path.
func unmount(e Entry, flags int) error {
	entries, err := Entries()
	if err != nil {
		return err
	}
	top, ok := topmost(entries, e.Mountpoint)
	if !ok || top.Device != e.Device {
		return &Error{Op: "unmount", Path: e.Mountpoint, Err: ErrNotSafetmp}
	}
	return detach(e.Mountpoint, flags)
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
