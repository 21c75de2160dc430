//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// filler fills a mount in one manner until it is refused.
type filler struct {
	dir  string
	sums map[string]uint32 // of each file that was stored whole
}

// fileOf is different content for each number.
func fileOf(number, size int) []byte {
	data := pattern(size + number%251)[number%251:]
	copy(data, fmt.Sprintf("file %d ", number))
	return data
}

// file stores file number of size bytes; it says false at ENOSPC. A file that
// did not fit is removed, so that all that stays is whole.
func (f *filler) file(t testing.TB, number, size int) bool {
	t.Helper()
	path := filepath.Join(f.dir, fmt.Sprint("fill", number))
	data := fileOf(number, size)
	err := os.WriteFile(path, data, 0o600)
	if err == nil {
		f.sums[path] = crc32.ChecksumIEEE(data)
		return true
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	if err := unix.Unlink(path); err != nil {
		require.ErrorIs(t, err, unix.ENOENT, "the part that was stored is removed")
	}
	return false
}

// fill stores files of these sizes in turn until one does not fit.
func (f *filler) fill(t testing.TB, sizes ...int) int {
	t.Helper()
	number := 0
	for f.file(t, number, sizes[number%len(sizes)]) {
		number++
		require.Less(t, number, 10_000_000, "the limit never came")
	}
	return number
}

// intact reads everything back.
func (f *filler) intact(t testing.TB) {
	t.Helper()
	for path, sum := range f.sums {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, sum, crc32.ChecksumIEEE(data), "%s", filepath.Base(path))
	}
}

// clear removes everything.
func (f *filler) clear(t testing.TB) {
	t.Helper()
	for path := range f.sums {
		require.NoError(t, unix.Unlink(path))
		delete(f.sums, path)
	}
}

// limitTest runs work as the owner in a mount and in a tmpfs of one size.
func limitTest(t *testing.T, words string, work func(t *testing.T, s *subject)) {
	t.Helper()
	oracle := mountOracle(t, 0o700, words)
	t.Run("tmpfs", func(t *testing.T) {
		if os.Getuid() != root {
			t.Skip("the oracle has no size of its own without root")
		}
		become(t, user())
		work(t, &subject{kind: kindOracle, top: oracle, dir: oracle})
	})
	if *oracleOnly {
		return
	}
	long := 2 * testBound
	if soak {
		long = 10 * testBound
	}
	m := mountTest(t, options(words), bound(long))
	t.Run("safetmp", func(t *testing.T) {
		become(t, user())
		work(t, &subject{kind: kindPrivate, top: m.dir, dir: m.dir})
	})
}

// TestLimitSize fills a mount twenty times in several manners. What is stored
// stays intact at the limit, and freeing makes the same room again.
func TestLimitSize(t *testing.T) {
	for name, row := range map[string]struct {
		size  string
		files []int
	}{
		"pages":  {"size=4m", []int{4096}},
		"mixed":  {"size=16m", []int{1, 4095, 4097, 100_000, 1 << 20, 0, 12_288}},
		"large":  {"size=16m", []int{1 << 20}},
		"larger": {"size=16m", []int{5 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			limitTest(t, row.size, func(t *testing.T, s *subject) {
				before, err := hosttest.UsageOf(s.dir)
				require.NoError(t, err)
				f := &filler{dir: s.dir, sums: map[string]uint32{}}
				first := f.fill(t, row.files...)
				require.Positive(t, first)
				f.intact(t)
				for round := range 20 {
					f.clear(t)
					require.InDelta(t, first, f.fill(t, row.files...), 1, "files that fit in round %d", round)
				}
				f.intact(t)
				f.clear(t)
				hosttest.SettlesTo(t, s.dir, before)
			})
		})
	}
}

// TestLimitSizeOneFile writes one file to the limit: the part that fits is
// stored, the call after it is refused, and the file is what was said.
func TestLimitSizeOneFile(t *testing.T) {
	limitTest(t, "size=16m", func(t *testing.T, s *subject) {
		for range 20 {
			fd, err := unix.Open(s.path("large"), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
			require.NoError(t, err)
			stored := writeUntilFull(t, fd)
			assert.InDelta(t, 16<<20, stored, 64<<10, "bytes stored")
			st := fstat(t, fd)
			assert.EqualValues(t, stored, st.Size)
			assert.Equal(t, "ENOSPC", errname(unix.Fallocate(fd, 0, 0, 32<<20)))
			assert.Equal(t, "ok", pwrite(fd, "over", 0), "writing where there is something already")
			require.NoError(t, unix.Ftruncate(fd, 8<<20))
			assert.Equal(t, "ok", pwrite(fd, strings.Repeat("x", 1<<20), 8<<20), "room after truncate")
			require.NoError(t, unix.Unlink(s.path("large")))
			require.NoError(t, unix.Close(fd))
		}
	})
}

// writeUntilFull appends blocks until ENOSPC and returns the bytes stored.
func writeUntilFull(t testing.TB, fd int) int {
	t.Helper()
	block := pattern(300_000)
	stored := 0
	for {
		n, err := unix.Pwrite(fd, block, int64(stored))
		if err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			return stored
		}
		stored += n
		require.Less(t, stored, 64<<20, "the limit never came")
	}
}

// TestLimitMapped: a page that finds no room raises SIGBUS in the writer, as
// on tmpfs, or is refused at msync; the daemon and its limit stay as they are.
func TestLimitMapped(t *testing.T) {
	m := mountTest(t, options("size=8m"))
	inside(t, m.owner, func(t *testing.T) {
		fd := open(t, m.dir+"/mapped", unix.O_CREAT|unix.O_RDWR, 0o600)
		require.NoError(t, unix.Ftruncate(fd, 32<<20))
		data := mapFile(t, fd, 32<<20, unix.MAP_SHARED)
		failed := overruns(data)
		err := unix.Msync(data, unix.MS_SYNC)
		assert.True(t, failed || err != nil, "32 MiB fitted into 8")
		now, err := hosttest.UsageOf(m.dir)
		require.NoError(t, err)
		assert.LessOrEqual(t, now.Blocks, uint64(8<<20/4096))
		require.NoError(t, unix.Unlink(m.dir+"/mapped"))
	})
}

// overruns writes to every page until one faults.
func overruns(data []byte) bool {
	for at := 0; at < len(data); at += 4096 {
		if faults(data, at) {
			return true
		}
		data[at] = 1
	}
	return false
}

// TestLimitInodes makes files until nr_inodes is reached, twenty times.
func TestLimitInodes(t *testing.T) {
	limitTest(t, "size=16m,nr_inodes=500", func(t *testing.T, s *subject) {
		before, err := hosttest.UsageOf(s.dir)
		require.NoError(t, err)
		for range 20 {
			made := 0
			for ; ; made++ {
				err := makeOne(s.path(fmt.Sprint("inode", made)), made)
				if err != nil {
					require.ErrorIs(t, err, unix.ENOSPC)
					break
				}
				require.Less(t, made, 10_000, "the limit never came")
			}
			assert.InDelta(t, 499, made, 1, "all but the root's own")
			assert.Equal(t, "ENOSPC", errname(tryOpen(s.dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)))
			require.Equal(t, "ok", exists(s.path("inode7")), "what is there stays")
			for number := range made {
				require.NoError(t, os.Remove(s.path(fmt.Sprint("inode", number))))
			}
		}
		hosttest.SettlesTo(t, s.dir, before)
	})
}

// makeOne makes a file, a directory or a FIFO.
func makeOne(path string, number int) error {
	switch number % 3 {
	case 0:
		return tryOpen(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
	case 1:
		return unix.Mkdir(path, 0o700)
	default:
		return unix.Mkfifo(path, 0o600)
	}
}

// residentBytes is the RSS of a process.
func residentBytes(t testing.TB, pid int) int64 {
	t.Helper()
	return int64(hosttest.StatusKiB(t, pid, "VmRSS")) << 10
}

// withinPromise checks RSS against size x 1.05 + 64 MiB, the promise.
func withinPromise(t testing.TB, m *live, size int64) {
	t.Helper()
	rss, most := residentBytes(t, m.pid), size*105/100+64<<20
	t.Logf("RSS %d MiB of at most %d MiB", rss>>20, most>>20)
	assert.LessOrEqual(t, rss, most, "resident bytes of the daemon")
}

// TestLimitResident fills mounts to the brim in the manners that cost a daemon
// most, and holds its memory against the promise.
func TestLimitResident(t *testing.T) {
	if hosttest.Race {
		t.Skip("the race detector's own memory is not promised")
	}
	const large, small = 128 << 20, 16 << 20
	for name, row := range map[string]struct {
		size int64
		fill func(t testing.TB, dir string)
	}{
		"one large file": {large, func(t testing.TB, dir string) {
			writeUntil(t, dir+"/large", large)
		}},
		"small files":  {large, fillWith(4096)},
		"mixed files":  {large, fillWith(1, 5000, 300_000, 0, 70_000)},
		"tiny files":   {large / 2, fillWith(1)},
		"empty files":  {small, fillEmpty(0)},
		"hard links":   {small / 2, fillLinks},
		"long names":   {small, fillEmpty(200)},
		"directories":  {small, fillDirectories},
		"attributes":   {small / 2, fillAttributes},
		"sparse files": {small, fillSparse},
	} {
		t.Run(name, func(t *testing.T) {
			m := mountTest(t, options(fmt.Sprintf("size=%d", row.size), "nr_inodes=10m"), bound(2*testBound))
			inside(t, m.owner, func(t *testing.T) { row.fill(t, m.dir) })
			withinPromise(t, m, row.size)
		})
	}
}

func writeUntil(t testing.TB, path string, most int64) {
	t.Helper()
	fd := open(t, path, unix.O_CREAT|unix.O_RDWR, 0o600)
	block := pattern(1 << 20)
	for at := int64(0); at <= most; at += int64(len(block)) {
		if _, err := unix.Pwrite(fd, block, at); err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			return
		}
	}
	t.Fatal("the limit never came")
}

func fillWith(sizes ...int) func(t testing.TB, dir string) {
	return func(t testing.TB, dir string) {
		t.Helper()
		f := &filler{dir: dir, sums: map[string]uint32{}}
		t.Logf("%d files", f.fill(t, sizes...))
	}
}

// mostEntries bounds the time of a filler that is stopped by nothing else: an
// entry that costs the limit less than 40 bytes would be a defect by itself.
const mostEntries = 400_000

// fillBy makes entries until one is refused.
func fillBy(t testing.TB, make func(number int) error) {
	t.Helper()
	for number := range mostEntries {
		if err := make(number); err != nil {
			require.True(t, errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EMLINK), "%v", err)
			t.Logf("%d entries", number)
			return
		}
	}
	t.Logf("%d entries and no refusal", mostEntries)
}

func fillEmpty(length int) func(t testing.TB, dir string) {
	return func(t testing.TB, dir string) {
		t.Helper()
		fillBy(t, func(number int) error {
			name := fmt.Sprint("empty", number, strings.Repeat("n", length))
			return unix.Mknod(filepath.Join(dir, name), unix.S_IFREG|0o600, 0)
		})
	}
}

func fillLinks(t testing.TB, dir string) {
	t.Helper()
	require.NoError(t, os.WriteFile(dir+"/first", nil, 0o600))
	fillBy(t, func(number int) error { return unix.Link(dir+"/first", fmt.Sprint(dir, "/link", number)) })
}

func fillDirectories(t testing.TB, dir string) {
	t.Helper()
	fillBy(t, func(number int) error { return unix.Mkdir(fmt.Sprint(dir, "/dir", number), 0o700) })
}

func fillAttributes(t testing.TB, dir string) {
	t.Helper()
	value := bytes.Repeat([]byte("v"), 10)
	path := ""
	fillBy(t, func(number int) error {
		if number%100 == 0 {
			path = fmt.Sprint(dir, "/file", number/100)
			if err := unix.Mknod(path, unix.S_IFREG|0o600, 0); err != nil {
				return err
			}
		}
		return unix.Setxattr(path, fmt.Sprint("user.attribute", number%100), value, 0)
	})
}

// fillSparse scatters single bytes over huge files, which costs the tables
// that find pages more than any other content.
func fillSparse(t testing.TB, dir string) {
	t.Helper()
	const far = 1 << 30
	fd := -1
	fillBy(t, func(number int) (err error) {
		if number%100 == 0 {
			if fd, err = unix.Open(fmt.Sprint(dir, "/sparse", number/100), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600); err != nil {
				return err
			}
			t.Cleanup(closer(fd))
		}
		_, err = unix.Pwrite(fd, []byte{1}, int64(number%100)*far)
		return err
	})
}

func closer(fd int) func() { return func() { _ = unix.Close(fd) } }

// TestLimitMemoryReturns: what many files held goes back to the kernel.
func TestLimitMemoryReturns(t *testing.T) {
	if hosttest.Race {
		t.Skip("the race detector's own memory is not promised")
	}
	m := mountTest(t, options("size=512m"))
	inside(t, m.owner, func(t *testing.T) {
		writeUntil(t, m.dir+"/large", 512<<20)
		require.NoError(t, unix.Unlink(m.dir+"/large"))
	})
	assert.Eventually(t, func() bool { return residentBytes(t, m.pid) < 128<<20 },
		20*time.Second, 50*time.Millisecond, "RSS falls below 128 MiB after 512 MiB were freed")
}

// TestLimitSparse: 1 TiB of nothing costs no pages, and a byte here and there
// costs what a byte costs.
func TestLimitSparse(t *testing.T) {
	const tib = 1 << 40
	m := mountTest(t, options("size=16m"))
	rss := residentBytes(t, m.pid)
	inside(t, m.owner, func(t *testing.T) {
		before, err := hosttest.UsageOf(m.dir)
		require.NoError(t, err)
		fd := open(t, m.dir+"/sparse", unix.O_CREAT|unix.O_RDWR, 0o600)
		require.NoError(t, unix.Ftruncate(fd, tib))
		assert.EqualValues(t, 0, fstat(t, fd).Blocks)
		for i := range 100 {
			require.Equal(t, "ok", pwrite(fd, "x", int64(i)*(tib/100)))
		}
		assert.EqualValues(t, 800, fstat(t, fd).Blocks)
		assert.EqualValues(t, tib, fstat(t, fd).Size)
		now, err := hosttest.UsageOf(m.dir)
		require.NoError(t, err)
		// A page each, and the tables that lead to it.
		assert.LessOrEqual(t, now.Blocks-before.Blocks, uint64(600), "pages used")
		assert.Equal(t, strings.Repeat("\x00", 1000), pread(fd, 1000, tib/3+100_000))
	})
	if !hosttest.Race {
		assert.Less(t, residentBytes(t, m.pid)-rss, int64(32<<20), "growth of RSS")
	}
}

// TestLimitDefault: without an option the size is a share of the memory.
func TestLimitDefault(t *testing.T) {
	m := mountTest(t)
	var info unix.Sysinfo_t
	require.NoError(t, unix.Sysinfo(&info))
	inside(t, m.owner, func(t *testing.T) {
		var fs unix.Statfs_t
		require.NoError(t, unix.Statfs(m.dir, &fs))
		size := fs.Blocks * uint64(fs.Bsize)
		assert.LessOrEqual(t, size, info.Totalram*uint64(info.Unit)/2+4096)
		assert.Positive(t, size)
		assert.Positive(t, fs.Files)
	})
}
