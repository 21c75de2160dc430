package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// systemFolder is where daemons of root have their sockets. Everybody may look in, since root also serves mounts that
// other uids own; each socket admits its owner alone.
const systemFolder = "/run/safetmp"

// runtimeParent holds the runtime folders of all users, see pam_systemd(8).
const runtimeParent = "/run/user"

// Folder returns the folder for the sockets of this process's daemons and makes it if need be: /run/safetmp for root;
// else safetmp below $XDG_RUNTIME_DIR, /run/user/UID or $HOME/.local/state, the first that belongs to the caller alone.
// All are local memory or the caller's own.
//
// Errors: none of them can be used; the message says why of each.
func Folder() (string, error) { return folderFor(os.Geteuid(), os.Getenv) }

func folderFor(uid int, getenv func(string) string) (string, error) {
	if uid == 0 {
		return systemFolder, makeFolder(systemFolder, 0o755, uid)
	}
	var problems []error
	for _, parent := range userParents(uid, getenv) {
		folder := filepath.Join(parent, "safetmp")
		err := checkParent(parent, uid)
		if err == nil {
			err = makeFolder(folder, 0o700, uid)
		}
		if err == nil {
			return folder, nil
		}
		problems = append(problems, err)
	}
	return "", fmt.Errorf("no folder for the control socket: %w", errors.Join(problems...))
}

// userParents lists where a user's folder may be, best first.
func userParents(uid int, getenv func(string) string) []string {
	var parents []string
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		parents = append(parents, filepath.Clean(dir))
	}
	parents = append(parents, filepath.Join(runtimeParent, fmt.Sprint(uid)))
	if home := getenv("HOME"); filepath.IsAbs(home) {
		parents = append(parents, filepath.Join(home, ".local", "state"))
	}
	return parents
}

// checkParent makes sure that nobody else can put something in the folder's place: after su(1), XDG_RUNTIME_DIR often
// is that of another user. Below $HOME missing parts are made, as the XDG base directory specification asks.
func checkParent(parent string, uid int) error {
	if filepath.Base(parent) == "state" {
		if err := os.MkdirAll(parent, 0o700); err != nil {
			return err
		}
	}
	info, err := os.Stat(parent)
	if err != nil {
		return err
	}
	return checkOwner(parent, info, uid)
}

// makeFolder makes a folder, or checks the one that is there. The mode is set explicitly: the umask does not matter.
func makeFolder(folder string, mode os.FileMode, uid int) error {
	err := os.Mkdir(folder, mode)
	if err == nil {
		return os.Chmod(folder, mode)
	}
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	return checkOwner(folder, info, uid)
}

// checkOwner refuses what is not a directory, belongs to somebody else or can be written by others.
func checkOwner(path string, info os.FileInfo, uid int) error {
	owner, ok := ownerOf(info)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s: %w", path, unix.ENOTDIR)
	case !ok || owner != uid:
		return fmt.Errorf("%s belongs to uid %d: %w", path, owner, unix.EPERM)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others: %w", path, unix.EPERM)
	}
	return nil
}

// Folders lists the folders in which the caller may find sockets: root's, which also hold those of mounts that root
// made for the caller, and the caller's own; for root those of every logged-in user as well.
func Folders() []string { return foldersFor(os.Geteuid(), os.Getenv) }

func foldersFor(uid int, getenv func(string) string) []string {
	folders := []string{systemFolder}
	if uid == 0 {
		users, _ := os.ReadDir(runtimeParent)
		for _, u := range users {
			folders = append(folders, filepath.Join(runtimeParent, u.Name(), "safetmp"))
		}
		return folders
	}
	for _, parent := range userParents(uid, getenv) {
		folder := filepath.Join(parent, "safetmp")
		if folder != folders[len(folders)-1] {
			folders = append(folders, folder)
		}
	}
	return folders
}
