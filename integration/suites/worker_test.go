package suites

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// worker is one process of a concurrency test.
type worker struct {
	rand  *rand.Rand
	dir   string
	stamp byte // what it writes
	alone bool // what it reads must be its own
	held  []int
}

// work is one kind of thing that a worker does.
type work struct {
	name   string
	weight int
	do     func(w *worker) error
}

// works is filled by init, since the table and its functions refer to each other.
var works []work

func init() {
	helpers["worker"] = runWorker
	works = []work{
		{"write", 12, (*worker).write},
		{"append", 6, (*worker).append},
		{"replace", 4, func(w *worker) error { return w.writeAnew(unix.O_TRUNC) }},
		{"make", 2, func(w *worker) error { return w.writeAnew(unix.O_EXCL) }},
		{"read", 12, (*worker).read},
		{"truncate", 4, (*worker).truncate},
		{"punch", 2, (*worker).punch},
		{"map", 4, (*worker).mapShared},
		{"copy", 3, (*worker).copyRange},
		{"link", 8, func(w *worker) error { return unix.Link(w.path(), w.path()) }},
		{"unlink", 8, func(w *worker) error { return unix.Unlink(w.path()) }},
		{"rename", 10, func(w *worker) error { return unix.Rename(w.path(), w.path()) }},
		{"exchange", 4, func(w *worker) error { return w.rename(unix.RENAME_EXCHANGE) }},
		{"noreplace", 5, func(w *worker) error { return w.rename(unix.RENAME_NOREPLACE) }},
		{"mkdir", 8, func(w *worker) error { return unix.Mkdir(w.path(), 0o777) }},
		{"rmdir", 6, func(w *worker) error { return unix.Rmdir(w.path()) }},
		{"fifo", 2, func(w *worker) error { return unix.Mkfifo(w.path(), 0o666) }},
		{"tmpfile", 3, (*worker).tmpfile},
		{"hold", 3, (*worker).hold},
		{"list", 4, func(w *worker) error { _, err := os.ReadDir(w.parent()); return err }},
		{"chmod", 2, func(w *worker) error { return unix.Chmod(w.path(), 0o777) }},
		{"attribute", 3, func(w *worker) error { return unix.Setxattr(w.path(), "user.stamp", []byte{w.stamp}, 0) }},
		{"stat", 4, func(w *worker) error { var st unix.Stat_t; return unix.Lstat(w.path(), &st) }},
	}
}

// expected are the errors that a worker may meet because of the others. Whatever
// else comes is a fault: EIO, ESTALE, ENOSYS, EFAULT, EINTR.
var expected = []error{
	unix.ENOENT, unix.EEXIST, unix.ENOTDIR, unix.EISDIR, unix.ENOTEMPTY, unix.EINVAL, unix.EACCES, unix.EPERM, unix.EXDEV,
	unix.ENODATA, unix.EMLINK, unix.ENXIO, unix.EBUSY, unix.ESPIPE, unix.ENODEV, unix.EBADF,
	unix.EPIPE, unix.EAGAIN, // of a FIFO whose reader has gone, or does not read
}

// runWorker is the helper: dir, uid, seed, number of operations, alone. It prints
// how often each kind of thing succeeded.
func runWorker(args []string) error {
	uid, err1 := strconv.Atoi(args[1])
	seed, err2 := strconv.Atoi(args[2])
	ops, err3 := strconv.Atoi(args[3])
	alone, err4 := strconv.ParseBool(args[4])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	if err := becomeThread(uid); err != nil {
		return err
	}
	unix.Umask(0)
	w := &worker{rand: rand.New(rand.NewPCG(uint64(seed), 7)), dir: args[0], stamp: byte(1 + uid%250), alone: alone}
	done, err := w.run(ops)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

func (w *worker) run(ops int) (map[string]int, error) {
	var weighed []work
	for _, k := range works {
		for range k.weight {
			weighed = append(weighed, k)
		}
	}
	done := map[string]int{}
	for range ops {
		k := weighed[w.rand.IntN(len(weighed))]
		err := k.do(w)
		if err == nil {
			done[k.name]++
		} else if !isExpected(err) {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return done, nil
}

func isExpected(err error) bool {
	for _, e := range expected {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// workNames are few, so that workers meet; each may be a file or a directory.
var workNames = []string{"a", "b", "c", "d"}

// path is one or two names.
func (w *worker) path() string {
	path := filepath.Join(w.dir, workNames[w.rand.IntN(len(workNames))])
	for w.rand.IntN(2) == 0 {
		path = filepath.Join(path, workNames[w.rand.IntN(len(workNames))])
	}
	return path
}

// parent is the folder, or a directory in it.
func (w *worker) parent() string { return filepath.Dir(w.path()) }

// with opens a file for do.
func (w *worker) with(flags int, do func(fd int) error) error {
	fd, err := unix.Open(w.path(), flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		return err
	}
	return errors.Join(do(fd), unix.Close(fd))
}

// data is n bytes of the worker's own.
func (w *worker) data() []byte {
	data := make([]byte, 1+w.rand.IntN(3*page))
	for i := range data {
		data[i] = w.stamp
	}
	return data
}

func (w *worker) write() error {
	return w.with(unix.O_CREAT|unix.O_RDWR, func(fd int) error {
		_, err := unix.Pwrite(fd, w.data(), int64(w.rand.IntN(8*page)))
		return err
	})
}

func (w *worker) append() error {
	return w.with(unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND, func(fd int) error {
		_, err := unix.Write(fd, w.data())
		return err
	})
}

// writeAnew writes to what was made or emptied by its open.
func (w *worker) writeAnew(flag int) error {
	return w.with(unix.O_CREAT|unix.O_WRONLY|flag, func(fd int) error {
		_, err := unix.Write(fd, w.data())
		return err
	})
}

// read checks that nothing is there that nobody wrote.
func (w *worker) read() error {
	return w.with(unix.O_RDONLY, func(fd int) error {
		buf := make([]byte, 16*page)
		n, err := unix.Pread(fd, buf, int64(w.rand.IntN(8*page)))
		if err != nil {
			return err
		}
		for i, b := range buf[:n] {
			if b != 0 && (w.alone && b != w.stamp) {
				return fmt.Errorf("byte %d is %#x: another user's", i, b)
			}
		}
		return nil
	})
}

func (w *worker) truncate() error {
	return w.with(unix.O_RDWR, func(fd int) error { return unix.Ftruncate(fd, int64(w.rand.IntN(8*page))) })
}

func (w *worker) punch() error {
	return w.with(unix.O_RDWR, func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(w.rand.IntN(8*page)), int64(1+w.rand.IntN(4*page)))
	})
}

// mapShared writes back what it maps. It touches no page, which another worker
// might cut off under it: the kernel reads and writes them for it.
func (w *worker) mapShared() error {
	return w.with(unix.O_RDWR, func(fd int) error {
		pages, err := unix.Mmap(fd, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Munmap(pages) }()
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		defer unix.Close(pipe[0])
		defer unix.Close(pipe[1])
		if _, err := unix.Write(pipe[1], w.data()[:1]); err != nil {
			return err
		}
		if _, err := unix.Read(pipe[0], pages[:1]); err != nil && err != unix.EFAULT {
			return err
		}
		return nil
	})
}

func (w *worker) copyRange() error {
	return w.with(unix.O_RDONLY, func(in int) error {
		return w.with(unix.O_CREAT|unix.O_RDWR, func(out int) error {
			_, err := unix.CopyFileRange(in, nil, out, nil, 2*page, 0)
			return err
		})
	})
}

func (w *worker) rename(flags uint) error {
	return unix.Renameat2(unix.AT_FDCWD, w.path(), unix.AT_FDCWD, w.path(), flags)
}

func (w *worker) tmpfile() error {
	fd, err := unix.Open(w.parent(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, w.data()); err != nil {
		return err
	}
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprint("/proc/self/fd/", fd), unix.AT_FDCWD, w.path(), unix.AT_SYMLINK_FOLLOW)
}

// hold keeps files open, which others remove meanwhile, and uses an old one.
func (w *worker) hold() error {
	fd, err := unix.Open(w.path(), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o666)
	if err != nil {
		return err
	}
	w.held = append(w.held, fd)
	if len(w.held) < 8 {
		return nil
	}
	old := w.held[0]
	w.held = w.held[1:]
	_, err = unix.Pwrite(old, w.data(), 0)
	return errors.Join(err, unix.Close(old))
}
