package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// beneath is how a path is followed that somebody else named: no link, nothing above the start, see openat2(2).
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// below returns the path of target relative to root, if it is an absolute clean path below it.
func below(root, target string) (string, error) {
	rest, ok := strings.CutPrefix(target, strings.TrimSuffix(root, "/")+"/")
	if !ok || root == "" || !filepath.IsAbs(target) || filepath.Clean(target) != target {
		return "", fmt.Errorf("%w: %.256q is not a clean path below %s", ErrTarget, target, root)
	}
	return rest, nil
}

// makeTarget makes the directory at a path below root, of which all but the last part has to be there, and checks that
// no part of it is a symbolic link.
func makeTarget(root, target string) error {
	parent, name, err := openParent(root, target)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, name, 0o750); err != nil && !errors.Is(err, unix.EEXIST) {
		return targetError(target, err)
	}
	fd, err := openBeneath(parent, name)
	if err != nil {
		return targetError(target, err)
	}
	return unix.Close(fd)
}

// removeTarget removes the directory that makeTarget made, if it is there and empty.
func removeTarget(root, target string) error {
	parent, name, err := openParent(root, target)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	}
	defer unix.Close(parent)
	err = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return targetError(target, err)
	}
	return nil
}

// openParent opens the directory that target, a path below root, is in, and returns the rest of the path.
func openParent(root, target string) (parent int, name string, err error) {
	rest, err := below(root, target)
	if err != nil {
		return -1, "", err
	}
	start, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, "", &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(start)
	if parent, err = openBeneath(start, filepath.Dir(rest)); err != nil {
		return -1, "", targetError(target, err)
	}
	return parent, filepath.Base(rest), nil
}

func openBeneath(start int, path string) (int, error) {
	return unix.Openat2(start, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: beneath})
}

// targetError says what was in the way.
func targetError(target string, err error) error {
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("%w: %.256q leads through something else than directories: %w", ErrTarget, target, err)
	}
	return &os.PathError{Op: "mount", Path: target, Err: err}
}
