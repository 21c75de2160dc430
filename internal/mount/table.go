package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Type is the filesystem type of our mounts in mountinfo(5).
const Type = "fuse.safetmp"

// Device is the number by which the kernel knows a mounted filesystem, whatever the namespace and however often it is
// bind-mounted.
type Device struct{ Major, Minor uint32 }

// String returns "major:minor" as in mountinfo.
func (d Device) String() string { return fmt.Sprintf("%d:%d", d.Major, d.Minor) }

// Label is the device as a part of a file's name.
func (d Device) Label() string { return fmt.Sprintf("%d-%d", d.Major, d.Minor) }

// Entry is one safetmp mount as the kernel lists it.
type Entry struct {
	ID         int    // mount id, as fdinfo shows it; the next mount may have the same once this one is gone
	Mountpoint string // absolute; unescaped, so it may hold any byte but NUL
	Device     Device
	Unique     uint64 // id that is never used again; 0 if not known, as of Entries and before Linux 6.8
	Source     string
	OwnerUID   uint32 // user_id: who may enter a private mount
	Shared     bool   // allow_other

	NoSUID, NoDev, NoExec, NoSymfollow bool
}

// Entries lists the safetmp mounts of the caller's mount namespace, in the order in which they were made.
func Entries() ([]Entry, error) {
	infos, err := mountinfo.GetMounts(mountinfo.FSTypeFilter(Type))
	if err != nil {
		return nil, fmt.Errorf("reading the mount table: %w", err)
	}
	entries := make([]Entry, 0, len(infos))
	for _, info := range infos {
		entries = append(entries, entryOf(info))
	}
	return entries, nil
}

// entryOf reads one line of the table.
func entryOf(info *mountinfo.Info) Entry {
	e := Entry{
		ID:         info.ID,
		Mountpoint: info.Mountpoint,
		Device:     Device{uint32(info.Major), uint32(info.Minor)},
		Source:     info.Source,
	}
	for word := range strings.SplitSeq(info.Options+","+info.VFSOptions, ",") {
		e.takeOption(word)
	}
	return e
}

// takeOption notes one mount option.
func (e *Entry) takeOption(word string) {
	switch word {
	case "nosuid":
		e.NoSUID = true
	case "nodev":
		e.NoDev = true
	case "noexec":
		e.NoExec = true
	case "nosymfollow":
		e.NoSymfollow = true
	case "allow_other":
		e.Shared = true
	}
	if id, ok := strings.CutPrefix(word, "user_id="); ok {
		uid, _ := strconv.ParseUint(id, 10, 32) // the kernel wrote it
		e.OwnerUID = uint32(uid)
	}
}

// Find returns the safetmp mounted at dir: the topmost, if several are. It never looks into the mount, so that it
// answers even if the daemon does not.
//
// Errors: *Error with ErrNotSafetmp, or with ErrNoMountpoint if there is no such path either.
func Find(dir string) (Entry, error) {
	entries, err := Entries()
	if err != nil {
		return Entry{}, err
	}
	paths := candidates(dir)
	for _, path := range paths {
		if e, ok := topmost(entries, path); ok {
			e.Unique = uniqueOf(e)
			return e, nil
		}
	}
	if len(paths) == 0 {
		return Entry{}, &Error{Path: dir, Err: ErrNoMountpoint}
	}
	return Entry{}, &Error{Path: dir, Err: ErrNotSafetmp, hint: "safetmp status lists the mounts"}
}

// topmost returns the last entry at exactly this path: later mounts cover earlier ones.
func topmost(entries []Entry, path string) (Entry, bool) {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Mountpoint == path {
			return entries[i], true
		}
	}
	return Entry{}, false
}

// candidates lists the absolute paths by which the kernel may know dir, most literal first, none if it does not exist.
// Only the way to dir is resolved: a stat of the mountpoint itself would ask the daemon. readlink(2) does not, it fails
// at once on anything but a link.
func candidates(dir string) []string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	paths := appendResolved([]string{abs}, abs)
	target, err := os.Readlink(abs)
	switch {
	case os.IsNotExist(err), errors.Is(err, unix.ENOTDIR):
		return nil
	case err == nil && !filepath.IsAbs(target):
		return appendResolved(paths, filepath.Join(filepath.Dir(abs), target))
	case err == nil:
		return appendResolved(paths, target)
	}
	return paths
}

// appendResolved adds path with the links on the way to it resolved, if they lead anywhere.
func appendResolved(paths []string, path string) []string {
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return paths
	}
	return append(paths, filepath.Join(parent, filepath.Base(path)))
}
