package bench

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sweep is a pass over a file from its start to its end.
type sweep struct {
	name  string
	chunk int
	flags int
	write bool
	fresh bool // a new file for each pass
	cold  bool // nothing of it in the page cache
}

var sweeps = []sweep{
	{name: "write-fresh-128k", chunk: 128 << 10, write: true, fresh: true},
	{name: "write-over-128k", chunk: 128 << 10, write: true},
	{name: "write-over-1m", chunk: 1 << 20, write: true},
	{name: "write-direct-1m", chunk: 1 << 20, write: true, flags: unix.O_DIRECT},
	{name: "read-cold-128k", chunk: 128 << 10, cold: true},
	{name: "read-cold-1m", chunk: 1 << 20, cold: true},
	{name: "read-warm-1m", chunk: 1 << 20},
	{name: "read-direct-1m", chunk: 1 << 20, flags: unix.O_DIRECT},
}

// dataRows are what programs do to contents.
func dataRows() []Row {
	var all []Row
	for _, s := range sweeps {
		all = append(all, Row{Figures: []Figure{{Name: s.name, Unit: "MB/s"}}, whole: s.measure})
	}
	random := func(name string, threads int, step func(*thread, int) (float64, error)) Row {
		return Row{Figures: []Figure{{Name: fmt.Sprintf("%s/%d", name, threads), Unit: "ops/s"}}, Threads: threads,
			prepare: openDirect, step: step}
	}
	return append(all,
		random("random-read-direct-4k", 1, randomRead),
		random("random-read-direct-4k", 8, randomRead),
		random("random-write-direct-4k", 1, randomWrite),
		random("random-write-direct-4k", 8, randomWrite),
		Row{Figures: []Figure{{Name: "append-4k/1", Unit: "ops/s"}}, Threads: 1, prepare: openAppend, step: appendBlock},
		Row{Figures: []Figure{{Name: "mmap-read", Unit: "MB/s"}}, whole: mmapRead},
		Row{Figures: []Figure{{Name: "mmap-write", Unit: "MB/s"}}, whole: mmapWrite},
	)
}

// dataFile is a file of scale.File bytes, which a mode keeps between cells.
func (w *work) dataFile() (string, error) {
	name := w.dir + "/data"
	if info, err := os.Stat(name); err == nil && info.Size() == w.scale.File {
		return name, nil
	}
	buf, err := pageAligned(1 << 20)
	if err != nil {
		return "", err
	}
	fd, err := open(makePath(name), unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	for at := int64(0); at < w.scale.File; at += int64(len(buf)) {
		if err := writeAll(fd, buf, at); err != nil {
			_ = closeFD(fd)
			return "", err
		}
	}
	return name, closeFD(fd)
}

func writeAll(fd int, buf []byte, at int64) error {
	n, err := pwrite(fd, buf, at)
	if err == nil && n != len(buf) {
		err = fmt.Errorf("wrote %d bytes of %d", n, len(buf))
	}
	return err
}

func readAll(fd int, buf []byte, at int64) error {
	n, err := pread(fd, buf, at)
	if err == nil && n != len(buf) {
		err = fmt.Errorf("read %d bytes of %d", n, len(buf))
	}
	return err
}

// measure makes passes until the cell's time is used and returns MB/s.
func (s sweep) measure(w *work) ([]float64, error) {
	buf, err := pageAligned(s.chunk)
	if err != nil {
		return nil, err
	}
	var bytes int64
	var took time.Duration
	for took < w.scale.Cell {
		n, d, err := s.pass(w, buf, w.scale.Cell-took)
		if err != nil {
			return nil, err
		}
		bytes, took = bytes+n, took+d
	}
	return []float64{float64(bytes) / took.Seconds() / 1e6}, nil
}

// pass goes over the file once, or for as long as most, and returns how many
// bytes that was and how long it took.
func (s sweep) pass(w *work, buf []byte, most time.Duration) (bytes int64, took time.Duration, err error) {
	name := w.dir + "/fresh"
	if !s.fresh {
		if name, err = w.dataFile(); err != nil {
			return 0, 0, err
		}
	}
	fd, err := open(makePath(name), unix.O_RDWR|unix.O_CREAT|s.flags, 0o600)
	if err != nil {
		return 0, 0, err
	}
	if s.cold {
		err = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
	}
	do := readAll
	if s.write {
		do = writeAll
	}
	start := time.Now()
	for err == nil && bytes < w.scale.File && took < most {
		err = do(fd, buf, bytes)
		bytes, took = bytes+int64(len(buf)), time.Since(start)
	}
	_ = closeFD(fd)
	if s.fresh && err == nil {
		err = os.Remove(name)
	}
	return bytes, took, err
}

// openDirect opens the data file around the page cache.
func openDirect(t *thread) error {
	if t.number > 0 {
		// Thread 0 makes the file if it is missing; the others find it.
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if info, err := os.Stat(t.dir + "/data"); err == nil && info.Size() == t.scale.File {
				break
			}
			if time.Now().After(deadline) {
				return os.ErrDeadlineExceeded
			}
		}
	}
	name, err := t.dataFile()
	if err != nil {
		return err
	}
	if t.buf, err = pageAligned(4096); err != nil {
		return err
	}
	t.random = uint64(t.number)*2654435761 + 88172645463325252
	t.fd, err = open(makePath(name), unix.O_RDWR|unix.O_DIRECT, 0)
	return err
}

// block is the offset of some block of the data file (xorshift64).
func (t *thread) block() int64 {
	t.random ^= t.random << 13
	t.random ^= t.random >> 7
	t.random ^= t.random << 17
	return int64(t.random%uint64(t.scale.File/4096)) * 4096
}

func randomRead(t *thread, _ int) (float64, error)  { return 1, readAll(t.fd, t.buf, t.block()) }
func randomWrite(t *thread, _ int) (float64, error) { return 1, writeAll(t.fd, t.buf, t.block()) }

func openAppend(t *thread) (err error) {
	t.buf = make([]byte, 4096)
	t.fd, err = open(makePath(t.home+"/log"), unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND, 0o600)
	return err
}

// appendBlock appends 4 KiB, and starts over when the file has become large.
func appendBlock(t *thread, i int) (float64, error) {
	if int64(i)*4096%t.scale.File == 0 {
		if err := unix.Ftruncate(t.fd, 0); err != nil {
			return 0, err
		}
	}
	_, err := write(t.fd, t.buf)
	return 1, err
}
