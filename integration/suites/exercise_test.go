package suites

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

const (
	exerciseMost = 256 << 10 // bytes that the file may have
	exerciseStep = 24 << 10  // bytes of one operation at most
	exerciseTail = 24        // operations that a failure shows
)

// exerciser changes one file at random and keeps a copy of what it must hold,
// as fsx does. Each operation that reads compares; so does a whole read from
// time to time.
type exerciser struct {
	rand   *rand.Rand
	path   string
	fd     int
	direct int    // the same file with O_DIRECT, -1 if there is no such thing
	want   []byte // what the file holds
	buf    []byte // aligned for direct I/O
	ops    int
	done   map[string]int
	recent []string
}

// exercise is one kind of operation. It returns what it did, and what was wrong.
type exercise struct {
	name   string
	weight int
	do     func(x *exerciser) (string, error)
}

var exercises = []exercise{
	{"read", 20, (*exerciser).read},
	{"write", 20, (*exerciser).write},
	{"append", 2, (*exerciser).append},
	{"vectors", 3, (*exerciser).vectors},
	{"mapped read", 8, (*exerciser).mappedRead},
	{"mapped write", 8, (*exerciser).mappedWrite},
	{"direct read", 4, (*exerciser).directRead},
	{"direct write", 4, (*exerciser).directWrite},
	{"truncate", 6, (*exerciser).truncate},
	{"punch hole", 6, (*exerciser).punch},
	{"zero range", 5, (*exerciser).zero},
	{"allocate", 4, (*exerciser).allocate},
	{"copy range", 5, (*exerciser).copyRange},
	{"seek data", 3, (*exerciser).seekData},
	{"splice", 3, (*exerciser).splice},
	{"open again", 1, (*exerciser).reopen},
}

// newExerciser makes an empty file.
func newExerciser(t testing.TB, dir string, seed uint64) *exerciser {
	t.Helper()
	x := &exerciser{rand: rand.New(rand.NewPCG(seed, 1)), path: filepath.Join(dir, fmt.Sprint("exercise", seed)), fd: -1, direct: -1, done: map[string]int{}}
	buf, err := unix.Mmap(-1, 0, exerciseMost, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(t, err)
	x.buf = buf
	fd, err := unix.Open(x.path, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	_, err = x.reopen()
	require.NoError(t, err)
	t.Cleanup(func() {
		x.closeAll()
		require.NoError(t, unix.Unlink(x.path))
		require.NoError(t, unix.Munmap(buf))
	})
	return x
}

// run does n operations and tells what was wrong, with what led to it.
func (x *exerciser) run(n int) error {
	var weighed []exercise
	for _, e := range exercises {
		for range e.weight {
			weighed = append(weighed, e)
		}
	}
	for range n {
		e := weighed[x.rand.IntN(len(weighed))]
		if err := x.step(e); err != nil {
			return fmt.Errorf("operation %d: %w\n%s", x.ops, err, strings.Join(x.recent, "\n"))
		}
	}
	return x.compareAll()
}

// step does one operation and looks at the size.
func (x *exerciser) step(e exercise) error {
	x.ops++
	x.done[e.name]++
	text, err := e.do(x)
	x.recent = append(x.recent[max(0, len(x.recent)-exerciseTail):], fmt.Sprintf("%d %s %s", x.ops, e.name, text))
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(x.fd, &st); err != nil {
		return err
	}
	if st.Size != int64(len(x.want)) {
		return fmt.Errorf("size %d, not %d", st.Size, len(x.want))
	}
	if x.ops%500 == 0 {
		return x.compareAll()
	}
	return nil
}

// compareAll reads the whole file.
func (x *exerciser) compareAll() error {
	n, err := unix.Pread(x.fd, x.buf, 0)
	if err != nil {
		return err
	}
	return x.same(0, x.buf[:n], x.want)
}

// same compares what was read at off with what must be there.
func (x *exerciser) same(off int, got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d bytes at %d, not %d", len(got), off, len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("byte %d is %#x, not %#x (%d bytes read at %d of %d)", off+i, got[i], want[i], len(got), off, len(x.want))
		}
	}
	return nil
}

// part is a range within the file; n is 0 in an empty one.
func (x *exerciser) part() (off, n int) {
	if len(x.want) == 0 {
		return 0, 0
	}
	off = x.rand.IntN(len(x.want))
	return off, min(x.length(), len(x.want)-off)
}

// room is a range that may lie beyond the end, within the largest file.
func (x *exerciser) room() (off, n int) {
	off = x.rand.IntN(exerciseMost)
	if x.rand.IntN(4) > 0 {
		off = x.rand.IntN(len(x.want) + 1)
	}
	return off, min(x.length(), exerciseMost-off)
}

// length is mostly short, and at times ends at the border of a page.
func (x *exerciser) length() int {
	switch x.rand.IntN(8) {
	case 0:
		return 1 + x.rand.IntN(exerciseStep)
	case 1:
		return page * (1 + x.rand.IntN(exerciseStep/page))
	}
	return 1 + x.rand.IntN(2*page)
}

// fill makes n new bytes.
func (x *exerciser) fill(n int) []byte {
	data, state := x.buf[:n], x.rand.Uint64()|1
	for i := range data {
		state = state*6364136223846793005 + 1442695040888963407
		data[i] = byte(state >> 56)
	}
	return data
}

// put writes to the copy.
func (x *exerciser) put(off int, data []byte) {
	x.grow(off + len(data))
	copy(x.want[off:], data)
}

// grow makes the copy at least n bytes long, with zeros.
func (x *exerciser) grow(n int) {
	if n > len(x.want) {
		x.want = append(x.want, make([]byte, n-len(x.want))...)
	}
}

// wrote checks that a call wrote all.
func wrote(n, want int, err error) error {
	if err == nil && n != want {
		return fmt.Errorf("%d of %d bytes", n, want)
	}
	return err
}

func between(off, n int) string { return fmt.Sprintf("%d bytes at %d", n, off) }

// TestExercise runs the exerciser on tmpfs, which proves it, and in each
// configuration of safetmp: a million operations in each of a soak.
func TestExercise(t *testing.T) {
	needRoot(t)
	const files = 4
	rows := rowsWithMuchData()
	n := 240_000 / len(rows)
	switch {
	case soak:
		n = 1_000_000
	case hosttest.Race:
		n = 10_000
	}
	t.Run("tmpfs", func(t *testing.T) { exerciseFiles(t, mountTmpfs(t, "size=64m"), files, n/4) })
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			m := c.mountRow(t, posix, "size=64m")
			exerciseFiles(t, m.dir, files, n)
			m.check(t)
		})
	}
}

// exerciseFiles does n operations, on several files at once.
func exerciseFiles(t *testing.T, dir string, files, n int) {
	total := map[string]int{}
	var workers []*exerciser
	results := make(chan error)
	for seed := range files {
		x := newExerciser(t, dir, uint64(seed))
		workers = append(workers, x)
		go func() { results <- x.run(n / files) }()
	}
	for range workers {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	for _, x := range workers {
		for name, k := range x.done {
			total[name] += k
		}
	}
	for _, e := range exercises {
		require.Positive(t, total[e.name], "%s never happened", e.name)
	}
	t.Logf("%d operations: %v", n, total)
}

// TestExerciserFinds shows that the exerciser sees a single wrong byte.
func TestExerciserFinds(t *testing.T) {
	dir := mountTmpfs(t, "size=4m")
	for name, spoil := range map[string]func(x *exerciser) error{
		"a byte that changed": func(x *exerciser) error {
			_, err := unix.Pwrite(x.fd, []byte{x.want[len(x.want)/2] ^ 1}, int64(len(x.want)/2))
			return err
		},
		"a size that changed": func(x *exerciser) error { return unix.Ftruncate(x.fd, int64(len(x.want))+1) },
	} {
		t.Run(name, func(t *testing.T) {
			x := newExerciser(t, dir, 77)
			x.grow(100_000)
			require.NoError(t, unix.Ftruncate(x.fd, 100_000))
			require.NoError(t, x.run(50))
			for len(x.want) == 0 {
				require.NoError(t, x.run(1))
			}
			require.NoError(t, spoil(x))
			require.Error(t, x.run(0))
		})
	}
}
