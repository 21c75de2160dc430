package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// view builds what the command sees, in I's mount namespace, which begins as a copy of D's: the filesystem is mounted
// at staged and nowhere else.
type view struct {
	staged  string
	covers  []string
	sockets []string
	hidden  []string
}

// hiddenFlags and hiddenData make the folder that covers one of ours. A `safetmp run` inside may use it for its own
// socket; nothing else is to be kept there.
const (
	hiddenFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	hiddenData  = "size=64k,nr_inodes=64,mode=0700"
)

// assemble mounts everything and returns the directory that is TMPDIR and what is worth noting. Nothing stays mounted
// at staged: whatever that directory was, the command gets it back.
func (v view) assemble() (place string, notes []string, err error) {
	files, err := openPaths(append([]string{v.staged}, v.sockets...))
	if err != nil {
		return "", nil, err
	}
	defer closeAll(files)
	for _, dir := range v.covers {
		if err := bind(files[0], dir); err != nil {
			return "", nil, err
		}
	}
	for i, path := range v.sockets {
		if err := letThrough(files[i+1], path); err != nil {
			return "", nil, err
		}
	}
	if place, err = v.settle(files[0]); err != nil {
		return "", nil, err
	}
	return place, mountProc(), nil
}

// settle hides our folders and chooses TMPDIR: the first covered directory; without any a place in our folder, which
// the command may enter for this; without such a folder staged.
func (v view) settle(root *os.File) (place string, err error) {
	if len(v.covers) > 0 {
		if err := leaveStaged(root); err != nil {
			return "", err
		}
	}
	folders, err := v.hide()
	switch {
	case err != nil:
		return "", err
	case len(v.covers) > 0:
		return v.covers[0], nil
	case len(folders) == 0:
		return v.staged, nil
	}
	place = filepath.Join(folders[0], "tmp")
	if err := os.Mkdir(place, 0o700); err != nil {
		return "", err
	}
	return place, move(root, place)
}

// leaveStaged takes the filesystem away from where D mounted it and keeps it where it is mounted otherwise. It goes by
// the open root, since a cover may hide the path: left there, the mount would still be listed under it, and a run inside
// this one would take the place for occupied.
func leaveStaged(root *os.File) error {
	// Detached rather than unmounted, since root is still open.
	if err := unix.Unmount(fmt.Sprintf("/proc/self/fd/%d", root.Fd()), unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving %s: %w", root.Name(), err)
	}
	return nil
}

// hide puts empty folders over our own and returns them.
func (v view) hide() (folders []string, err error) {
	for _, folder := range v.hidden {
		dir, err := filepath.EvalSymlinks(folder)
		if err != nil || slices.Contains(folders, dir) {
			continue // nothing there, or a cover hides it already
		}
		if err := unix.Mount("safetmp-hidden", dir, "tmpfs", hiddenFlags, hiddenData); err != nil {
			return nil, fmt.Errorf("hiding %s: %w", dir, err)
		}
		folders = append(folders, dir)
	}
	return folders, nil
}

// letThrough binds a host socket, or a folder of them, to where it was before the cover came.
func letThrough(file *os.File, path string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("place for socket %s: %w", path, err)
	}
	if info.IsDir() {
		err = os.MkdirAll(path, 0o700)
	} else {
		err = touch(path)
	}
	if err != nil {
		return fmt.Errorf("place for socket %s: %w", path, err)
	}
	return bind(file, path)
}

func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// bind mounts an open file or directory, with what is mounted below: in a user namespace parts of an inherited mount
// cannot be left out (mount_namespaces(7)).
func bind(file *os.File, target string) error {
	source := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("covering %s: %w", target, err)
	}
	return nil
}

// move takes a mount, given by its open root, to another place. Its parent mount must not be shared (mount(2)), which
// D has seen to.
func move(root *os.File, target string) error {
	source := fmt.Sprintf("/proc/self/fd/%d", root.Fd())
	if err := unix.Mount(source, target, "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("moving the mount to %s: %w", target, err)
	}
	return nil
}

// mountProc shows the command its own pid namespace. The kernel refuses if parts of the old /proc are masked, as they
// are in many containers; the old one then stays, with foreign pids in it.
func mountProc() []string {
	err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil {
		return []string{fmt.Sprintf("the command sees the outer /proc: %v", err)}
	}
	return nil
}

// openPaths opens what the covers will hide.
func openPaths(paths []string) ([]*os.File, error) {
	var files []*os.File
	for _, path := range paths {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			closeAll(files)
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		files = append(files, os.NewFile(uintptr(fd), path))
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
