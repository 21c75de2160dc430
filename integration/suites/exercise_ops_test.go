package suites

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func (x *exerciser) read() (string, error) {
	off, n := x.part()
	got, err := unix.Pread(x.fd, x.buf[:n], int64(off))
	if err != nil {
		return between(off, n), err
	}
	return between(off, n), x.same(off, x.buf[:got], x.want[off:off+n])
}

func (x *exerciser) write() (string, error) {
	off, n := x.room()
	data := x.fill(n)
	got, err := unix.Pwrite(x.fd, data, int64(off))
	x.put(off, data)
	return between(off, n), wrote(got, n, err)
}

func (x *exerciser) append() (string, error) {
	fd, err := unix.Open(x.path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	off := len(x.want)
	data := x.fill(min(x.length(), exerciseMost-off))
	got, err := unix.Write(fd, data)
	x.put(off, data)
	return between(off, len(data)), wrote(got, len(data), err)
}

func (x *exerciser) vectors() (string, error) {
	off, n := x.room()
	data := x.fill(n)
	a, b := x.rand.IntN(n+1), x.rand.IntN(n+1)
	a, b = min(a, b), max(a, b)
	got, err := unix.Pwritev(x.fd, [][]byte{data[:a], data[a:b], data[b:]}, int64(off))
	x.put(off, data)
	if err := wrote(got, n, err); err != nil {
		return between(off, n), err
	}
	clear(data)
	got, err = unix.Preadv(x.fd, [][]byte{data[:a], data[a:b], data[b:]}, int64(off))
	if err := wrote(got, n, err); err != nil {
		return between(off, n), err
	}
	return between(off, n), x.same(off, data, x.want[off:off+n])
}

// mapped maps the pages of a range for do, which gets all of them and the range.
func (x *exerciser) mapped(off, n, prot int, do func(pages, data []byte) error) (string, error) {
	if n == 0 {
		return "nothing", nil
	}
	start := off &^ (page - 1)
	data, err := unix.Mmap(x.fd, int64(start), off-start+n, prot, unix.MAP_SHARED)
	if err != nil {
		return between(off, n), err
	}
	return between(off, n), errors.Join(do(data, data[off-start:]), unix.Munmap(data))
}

func (x *exerciser) mappedRead() (string, error) {
	off, n := x.part()
	return x.mapped(off, n, unix.PROT_READ, func(_, data []byte) error { return x.same(off, data, x.want[off:off+n]) })
}

func (x *exerciser) mappedWrite() (string, error) {
	off, n := x.part()
	return x.mapped(off, n, unix.PROT_READ|unix.PROT_WRITE, func(pages, data []byte) error {
		x.put(off, x.fill(n))
		copy(data, x.want[off:off+n])
		if x.rand.IntN(4) == 0 {
			return unix.Msync(pages, unix.MS_SYNC)
		}
		return nil
	})
}

// aligned makes pages of a range.
func aligned(off, n int) (int, int) { return off &^ (page - 1), (n + page - 1) &^ (page - 1) }

func (x *exerciser) directRead() (string, error) {
	if x.direct < 0 {
		return x.read()
	}
	off, n := aligned(x.part())
	n = min(n, exerciseMost-off)
	got, err := unix.Pread(x.direct, x.buf[:n], int64(off))
	if err != nil {
		return between(off, n), err
	}
	return between(off, n), x.same(off, x.buf[:got], x.want[off:min(off+n, len(x.want))])
}

func (x *exerciser) directWrite() (string, error) {
	if x.direct < 0 {
		return x.write()
	}
	off, n := aligned(x.room())
	n = min(n, exerciseMost-off)
	data := x.fill(n)
	got, err := unix.Pwrite(x.direct, data, int64(off))
	x.put(off, data)
	return between(off, n), wrote(got, n, err)
}

func (x *exerciser) truncate() (string, error) {
	size := x.rand.IntN(exerciseMost + 1)
	if x.rand.IntN(2) == 0 {
		size = min(exerciseMost, max(0, len(x.want)+x.rand.IntN(4*page)-2*page))
	}
	var err error
	if x.rand.IntN(2) == 0 {
		err = unix.Truncate(x.path, int64(size))
	} else {
		err = unix.Ftruncate(x.fd, int64(size))
	}
	x.grow(size)
	x.want = x.want[:size:size]
	return fmt.Sprint("to ", size), err
}

// blank writes zeros to the copy within its length.
func (x *exerciser) blank(off, n int) {
	if off < len(x.want) {
		clear(x.want[off:min(off+n, len(x.want))])
	}
}

func (x *exerciser) punch() (string, error) {
	off, n := x.room()
	if n == 0 {
		return "nothing", nil
	}
	x.blank(off, n)
	return between(off, n), unix.Fallocate(x.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(off), int64(n))
}

// zero is fallocate(2) with ZERO_RANGE where there is such a thing; tmpfs has
// none, and then the bytes are written.
func (x *exerciser) zero() (string, error) {
	off, n := x.room()
	if n == 0 {
		return "nothing", nil
	}
	var keep uint32
	if x.rand.IntN(2) == 0 {
		keep = unix.FALLOC_FL_KEEP_SIZE
	}
	err := unix.Fallocate(x.fd, unix.FALLOC_FL_ZERO_RANGE|keep, int64(off), int64(n))
	if err == unix.EOPNOTSUPP {
		keep = 0
		clear(x.buf[:n])
		_, err = unix.Pwrite(x.fd, x.buf[:n], int64(off))
	}
	x.blank(off, n)
	if keep == 0 {
		x.grow(off + n)
	}
	return fmt.Sprint(between(off, n), " keep ", keep), err
}

func (x *exerciser) allocate() (string, error) {
	off, n := x.room()
	if n == 0 {
		return "nothing", nil
	}
	var keep uint32
	if x.rand.IntN(2) == 0 {
		keep = unix.FALLOC_FL_KEEP_SIZE
	} else {
		x.grow(off + n)
	}
	return fmt.Sprint(between(off, n), " keep ", keep), unix.Fallocate(x.fd, keep, int64(off), int64(n))
}

// apart is a range within the file and one that may lie beyond its end, which do
// not meet: copy_file_range(2) refuses such, and in a pipe are the pages of the
// file itself.
func (x *exerciser) apart() (from, to, n int) {
	from, n = x.part()
	to = x.rand.IntN(exerciseMost)
	return from, to, min(n, exerciseMost-to, max(from-to, to-from))
}

func (x *exerciser) copyRange() (string, error) {
	from, to, n := x.apart()
	text := fmt.Sprintf("%d bytes from %d to %d", n, from, to)
	for done := 0; done < n; {
		a, b := int64(from+done), int64(to+done)
		got, err := unix.CopyFileRange(x.fd, &a, x.fd, &b, n-done, 0)
		if err != nil || got == 0 {
			return text, fmt.Errorf("%d copied: %w", got, err)
		}
		done += got
	}
	if n > 0 {
		x.grow(to + n)
		copy(x.want[to:to+n], x.want[from:from+n])
	}
	return text, nil
}

// seekData checks that what is not data is zero.
func (x *exerciser) seekData() (string, error) {
	off, _ := x.part()
	at, err := unix.Seek(x.fd, int64(off), unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		at = int64(len(x.want))
	case err != nil:
		return fmt.Sprint("from ", off), err
	case at < int64(off) || at >= int64(len(x.want)):
		return fmt.Sprint("from ", off), fmt.Errorf("data at %d of %d", at, len(x.want))
	}
	for i := off; i < int(at); i++ {
		if x.want[i] != 0 {
			return fmt.Sprint("from ", off), fmt.Errorf("no data before %d, but byte %d is %#x", at, i, x.want[i])
		}
	}
	return fmt.Sprint("from ", off), nil
}

// splice moves a range through a pipe: out of the file, then back elsewhere.
func (x *exerciser) splice() (string, error) {
	from, to, n := x.apart()
	n = min(n, 8*page)
	if n == 0 {
		return "nothing", nil
	}
	text := fmt.Sprintf("%d bytes from %d to %d", n, from, to)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return text, err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	a := int64(from)
	in, err := unix.Splice(x.fd, &a, pipe[1], nil, n, 0)
	if err != nil {
		return text, err
	}
	moved := append([]byte(nil), x.want[from:from+int(in)]...)
	for done := 0; done < int(in); {
		b := int64(to + done)
		out, err := unix.Splice(pipe[0], nil, x.fd, &b, int(in)-done, 0)
		if err != nil || out == 0 {
			return text, fmt.Errorf("%d spliced: %w", out, err)
		}
		done += int(out)
	}
	x.put(to, moved)
	return text, nil
}

func (x *exerciser) closeAll() {
	for _, fd := range []int{x.fd, x.direct} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	x.fd, x.direct = -1, -1
}

func (x *exerciser) reopen() (string, error) {
	x.closeAll()
	fd, err := unix.Open(x.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	x.fd = fd
	fd, err = unix.Open(x.path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_DIRECT, 0)
	if err == unix.EINVAL {
		return "no O_DIRECT", nil
	}
	x.direct = fd
	return "", err
}
