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

// assemble mounts everything and returns the directory that is TMPDIR and what is worth noting.
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
	if place, err = v.hide(files[0]); err != nil {
		return "", nil, err
	}
	return place, mountProc(), nil
}

// covered says whether a path lies below a covered directory.
func (v view) covered(path string) bool {
	return slices.ContainsFunc(v.covers, func(c string) bool { return within(c, path) })
}

// hide puts empty folders over our own and chooses TMPDIR: the first covered directory; without any a place in our
// folder, which the command may enter for this; without such a folder where D mounted.
func (v view) hide(root *os.File) (place string, err error) {
	place = v.staged
	for _, folder := range v.hidden {
		dir, err := filepath.EvalSymlinks(folder)
		if err != nil {
			continue // nothing there, or a cover hides it already
		}
		if err := unix.Mount("safetmp-hidden", dir, "tmpfs", hiddenFlags, hiddenData); err != nil {
			return "", fmt.Errorf("hiding %s: %w", dir, err)
		}
		if within(dir, v.staged) && place == v.staged {
			place = filepath.Join(dir, "tmp")
		}
	}
	switch {
	case v.covered(v.staged):
		return v.covers[0], nil // a cover hides it already
	case len(v.covers) > 0 && place == v.staged:
		// Not hidden: whatever the directory was, the command gets it back.
		return v.covers[0], unix.Unmount(v.staged, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // root is still open
	case len(v.covers) > 0:
		return v.covers[0], nil
	case place == v.staged:
		return place, nil
	}
	if err := os.Mkdir(place, 0o700); err != nil {
		return "", err
	}
	return place, bind(root, place)
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
