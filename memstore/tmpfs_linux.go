package memstore

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// tmpfs is a tmpfs(5) that this process alone can reach: its mount is attached to no directory of any namespace (fsmount(2)),
// and its files have no names. Its pages never go to swap (noswap, Linux 6.4).
type tmpfs struct {
	root int // immutable; descriptor of the root directory
	plug int // immutable; descriptor of a file without pages; see seal
}

// newTmpfs makes one for size bytes of pages, whole pages and at least one. It needs CAP_SYS_ADMIN in the initial user namespace.
func newTmpfs(size int64) (*tmpfs, error) {
	root, err := mountTmpfs(size)
	if err != nil {
		return nil, fmt.Errorf("memstore: making a tmpfs: %w: %w", ErrNoFiles, err)
	}
	t := &tmpfs{root: root, plug: -1}
	if t.plug, err = unix.Openat(root, "plug", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600); err != nil {
		t.close()
		return nil, fmt.Errorf("memstore: making a file: %w: %w", ErrNoFiles, err)
	}
	return t, nil
}

// mountTmpfs returns a descriptor of the root directory. The number of files is for the caller to bound, and huge pages would
// make a file take more than it holds.
func mountTmpfs(size int64) (root int, err error) {
	c, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(c)
	for _, set := range [][2]string{
		{"size", strconv.FormatInt(size, 10)}, {"nr_inodes", "0"}, {"mode", "0700"}, {"huge", "never"},
	} {
		if err := unix.FsconfigSetString(c, set[0], set[1]); err != nil {
			return -1, fmt.Errorf("%s: %w", set[0], err)
		}
	}
	if err := unix.FsconfigSetFlag(c, "noswap"); err != nil {
		return -1, fmt.Errorf("noswap: %w", err)
	}
	if err := unix.FsconfigCreate(c); err != nil {
		return -1, err
	}
	return unix.Fsmount(c, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}

// resize changes how many bytes of pages there may be, whole pages and at least one: 0 would mean any number. It fails with
// EINVAL if there are more, and changes nothing then.
func (t *tmpfs) resize(size int64) error {
	c, err := unix.Fspick(t.root, "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(c)
	if err := unix.FsconfigSetFlag(c, "noswap"); err != nil { // left out it would be a wish to swap, which is refused
		return err
	}
	if err := unix.FsconfigSetString(c, "size", strconv.FormatInt(size, 10)); err != nil {
		return err
	}
	return unix.FsconfigReconfigure(c)
}

// used returns how many bytes of pages there are.
func (t *tmpfs) used() int64 {
	var s unix.Statfs_t
	if err := unix.Fstatfs(t.root, &s); err != nil {
		panic("memstore: fstatfs: " + err.Error())
	}
	return int64(s.Blocks-s.Bfree) * s.Bsize
}

// newFile makes an empty file without a name. It fails with ErrNoInodes where this process, or the machine, has no descriptor
// left, and with ErrNoSpace where there is no memory for it.
func (t *tmpfs) newFile() (file, error) {
	fd, err := unix.Openat(t.root, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return 0, fmt.Errorf("memstore: making a file: %w: %w", ErrNoInodes, err)
	}
	if err != nil {
		return 0, fileError("making a file", err)
	}
	return file(fd), nil
}

// seal lets nobody who still has one of the files open add a page to it, however long that one lives: the only page that the
// tmpfs may have belongs to a file of ours, which has a name and so stays. It fails with EINVAL while other files have pages.
func (t *tmpfs) seal() error {
	if err := t.resize(PageSize); err != nil {
		return err
	}
	return retry(func() error { return unix.Fallocate(t.plug, 0, 0, PageSize) })
}

// close gives the tmpfs up. It goes with the last of its files.
func (t *tmpfs) close() {
	_ = unix.Close(t.root)
	if t.plug >= 0 {
		_ = unix.Close(t.plug)
	}
}
