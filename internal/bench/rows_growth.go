package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// filesPerFolder is how the files of the growth row are spread.
const filesPerFolder = 1000

// growthRows follow the cost of an operation while a mount fills up, and what
// the daemon takes of memory.
func growthRows(s Scale) []Row {
	var files []Figure
	for n := filesPerFolder; n <= s.Growth; n *= 10 {
		files = append(files, Figure{Name: fmt.Sprintf("create4k/1 at %d files", n), Unit: "ops/s"})
	}
	files = append(files, Figure{Name: "memory per empty file", Unit: "bytes", Lower: true})
	var data []Figure
	for n := int64(1 << 20); n <= s.Big; n = nextSize(n) {
		data = append(data, Figure{Name: fmt.Sprintf("write-direct-1m at %d MiB", n>>20), Unit: "MB/s"})
	}
	data = append(data,
		Figure{Name: "memory per byte of data", Unit: "bytes", Lower: true},
		Figure{Name: "wipe", Unit: "MB/s"},
		Figure{Name: "clear() of as much memory", Unit: "MB/s"})
	return []Row{
		{Figures: files, Once: true, Only: []string{"tmpfs", "safetmp", "head", "base"}, whole: manyFiles},
		{Figures: data, Once: true, whole: muchData},
	}
}

// nextSize goes from 1 MiB to 1 GiB to 10 GiB.
func nextSize(n int64) int64 {
	if n < 1<<30 {
		return n << 10
	}
	return n * 10
}

// manyFiles creates empty files and stops at each power of ten. They go with
// the mount, which is used for nothing else.
func manyFiles(w *work) ([]float64, error) {
	top := w.dir + "/many"
	if err := os.Mkdir(top, 0o700); err != nil {
		return nil, err
	}
	if _, err := probe(w); err != nil { // the first file with contents takes a slab of 2 MiB
		return nil, err
	}
	before := resident(w.pid)
	var figures []float64
	made := 0
	for stop := filesPerFolder; stop <= w.scale.Growth; stop *= 10 {
		for ; made < stop; made += filesPerFolder {
			if err := fillFolder(fmt.Sprintf("%s/folder%d", top, made/filesPerFolder)); err != nil {
				return nil, err
			}
		}
		rate, err := probe(w)
		if err != nil {
			return nil, err
		}
		figures = append(figures, rate)
	}
	return append(figures, float64(resident(w.pid)-before)/float64(made)), nil
}

func fillFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	name := numbered(dir + "/file")
	for i := range filesPerFolder {
		name.setNumber(i)
		if err := unix.Mknod(string(name[:len(name)-1]), unix.S_IFREG|0o600, 0); err != nil {
			return err
		}
	}
	return nil
}

// probe measures create4k in the state that the mount is in.
func probe(w *work) (float64, error) {
	r := Row{prepare: haveNames, step: create4K}
	t := &thread{work: w, home: w.dir + "/probe", fd: -1}
	return r.steps([]*thread{t})
}

// resident is the RSS of the daemon in bytes, 0 if there is none.
func resident(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}

// muchData lets a file grow and frees it.
func muchData(w *work) ([]float64, error) {
	name := makePath(w.dir + "/much")
	fd, err := open(name, unix.O_CREAT|unix.O_WRONLY|unix.O_DIRECT, 0o600)
	if err != nil {
		return nil, err
	}
	before := resident(w.pid)
	figures, size, err := grow(fd, w.scale.Big)
	_ = closeFD(fd)
	if err != nil {
		return nil, err
	}
	figures = append(figures, float64(resident(w.pid)-before)/float64(size))
	wiped, err := wipe(w, name, size)
	return append(figures, wiped, clearRate(size)), err
}

// grow writes up to most bytes and returns the rate at each size on the way.
func grow(fd int, most int64) (figures []float64, size int64, err error) {
	buf, err := pageAligned(1 << 20)
	if err != nil {
		return nil, 0, err
	}
	for stop := int64(1 << 20); stop <= most; stop = nextSize(stop) {
		from, start := size, time.Now()
		for ; size < stop; size += int64(len(buf)) {
			if err := writeAll(fd, buf, size); err != nil {
				return nil, 0, err
			}
		}
		figures = append(figures, float64(size-from)/time.Since(start).Seconds()/1e6)
	}
	return figures, size, nil
}

// wipe unlinks a file and waits until its room is free again.
func wipe(w *work, name cpath, size int64) (float64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(w.dir, &st); err != nil {
		return 0, err
	}
	want := st.Bfree + uint64(size/st.Bsize)
	start := time.Now()
	if err := unlink(name); err != nil {
		return 0, err
	}
	for st.Bfree < want {
		if time.Since(start) > time.Minute {
			return 0, fmt.Errorf("%d blocks are not free a minute after they were deleted", want-st.Bfree)
		}
		time.Sleep(100 * time.Microsecond)
		if err := unix.Statfs(w.dir, &st); err != nil {
			return 0, err
		}
	}
	return float64(size) / time.Since(start).Seconds() / 1e6, nil
}

// clearRate is how fast all processors overwrite memory that was written before.
// It is as much as was wiped: less, again and again, would stay in the processor's
// cache and be overwritten there.
func clearRate(size int64) float64 {
	buf, err := pageAligned(int(size))
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Munmap(buf) }()
	var left sync.WaitGroup
	start := time.Now()
	for part := range slices.Chunk(buf, (len(buf)+runtime.NumCPU()-1)/runtime.NumCPU()) {
		left.Go(func() { clear(part) })
	}
	left.Wait()
	return float64(size) / time.Since(start).Seconds() / 1e6
}
