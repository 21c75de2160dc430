package bench

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// metadataRows are what programs do to names and attributes.
func metadataRows() []Row {
	rate := func(name string, threads int) Row {
		return Row{Figures: []Figure{{Name: fmt.Sprintf("%s/%d", name, threads), Unit: "ops/s"}}, Threads: threads}
	}
	with := func(r Row, prepare func(*thread) error, step func(*thread, int) (float64, error)) Row {
		r.prepare, r.step = prepare, step
		return r
	}
	list := []Row{
		with(rate("stat", 1), haveFile, statFile),
		with(rate("stat-missing", 1), haveMissing, statMissing),
		with(rate("open-read-close", 1), haveFile, openRead),
		with(rate("open-read-close", 8), haveFile, openRead),
		with(Row{Figures: []Figure{{Name: "readdir-cached/1", Unit: "entries/s"}}, Threads: 1}, haveListing, readListing),
	}
	for _, threads := range []int{1, 2, 8} {
		list = append(list, with(rate("create4k", threads), haveNames, create4K))
	}
	return append(list,
		with(rate("create4k-in-root", 1), haveRootNames, create4K),
		with(rate("mkdir-rmdir", 1), haveNames, mkdirRmdir),
		with(rate("rename", 1), haveTwoNames, renameBack),
		with(rate("rename", 8), haveTwoNames, renameBack),
		with(rate("chmod", 1), haveFile, chmodFile),
	)
}

// haveFile makes a file of 4 KiB and reads it once.
func haveFile(t *thread) error {
	t.buf = make([]byte, 4096)
	name := t.home + "/file"
	t.paths[0] = makePath(name)
	if err := os.WriteFile(name, t.buf, 0o600); err != nil {
		return err
	}
	_, err := openRead(t, 0)
	return err
}

func statFile(t *thread, _ int) (float64, error) {
	var st unix.Statx_t
	return 1, stat(t.paths[0], &st)
}

func openRead(t *thread, _ int) (float64, error) {
	fd, err := open(t.paths[0], unix.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	n, err := pread(fd, t.buf, 0)
	if err == nil && n != len(t.buf) {
		err = fmt.Errorf("read %d bytes of a file of %d", n, len(t.buf))
	}
	if err != nil {
		_ = closeFD(fd)
		return 0, err
	}
	return 1, closeFD(fd)
}

func chmodFile(t *thread, i int) (float64, error) {
	return 1, chmod(t.paths[0], 0o600-uint32(i%2)*0o200)
}

func haveMissing(t *thread) error {
	t.paths[0] = makePath(t.home + "/missing")
	return nil
}

func statMissing(t *thread, _ int) (float64, error) {
	var st unix.Statx_t
	if err := stat(t.paths[0], &st); err != unix.ENOENT {
		return 0, fmt.Errorf("stat of a missing file: %v", err)
	}
	return 1, nil
}

// haveListing makes a directory of up to 1,000 files and lists it once.
func haveListing(t *thread) error {
	t.buf = make([]byte, 32<<10)
	t.paths[0] = makePath(t.home)
	name := numbered(t.home + "/entry")
	for i := range min(1000, t.scale.Entries) {
		name.setNumber(i)
		if err := createEmpty(name); err != nil {
			return err
		}
	}
	_, err := readListing(t, 0)
	return err
}

// readListing opens the directory and reads all of it.
func readListing(t *thread, _ int) (float64, error) {
	fd, err := open(t.paths[0], unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return 0, err
	}
	seen := 0.0
	for {
		n, err := getdents(fd, t.buf)
		if err != nil || n == 0 {
			return seen, closeFD(fd)
		}
		_ = eachName(t.buf[:n], func(cpath) error { seen++; return nil })
	}
}

func haveNames(t *thread) error {
	t.buf = make([]byte, 4096)
	t.paths[0] = numbered(t.home + "/new")
	return nil
}

// haveRootNames is haveNames in the root of the mount, where safetmp assigns
// names.
func haveRootNames(t *thread) error {
	t.buf = make([]byte, 4096)
	t.paths[0] = numbered(fmt.Sprintf("%s/new%d-", t.root, t.number))
	return nil
}

// create4K makes, writes, closes and unlinks a file.
func create4K(t *thread, i int) (float64, error) {
	t.paths[0].setNumber(i)
	fd, err := open(t.paths[0], unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	if _, err := write(fd, t.buf); err != nil {
		_ = closeFD(fd)
		return 0, err
	}
	if err := closeFD(fd); err != nil {
		return 0, err
	}
	return 1, unlink(t.paths[0])
}

func createEmpty(p cpath) error {
	fd, err := open(p, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return closeFD(fd)
}

func mkdirRmdir(t *thread, i int) (float64, error) {
	t.paths[0].setNumber(i)
	if err := mkdir(t.paths[0]); err != nil {
		return 0, err
	}
	return 1, rmdir(t.paths[0])
}

func haveTwoNames(t *thread) error {
	t.paths = [2]cpath{makePath(t.home + "/one"), makePath(t.home + "/other")}
	return createEmpty(t.paths[0])
}

func renameBack(t *thread, i int) (float64, error) {
	return 1, rename(t.paths[i%2], t.paths[1-i%2])
}
