//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

var _ = register(map[string]semantic{
	"content/page borders":      contentBorders,
	"content/grow after shrink": contentGrowAfterShrink,
	"content/truncate":          contentTruncate,
	"content/sparse":            contentSparse,
	"content/seek data":         contentSeekData,
	"content/allocate":          contentAllocate,
	"content/punch":             contentPunch,
	"content/append":            contentAppend,
	"content/append race":       contentAppendRace,
	"content/vectors":           contentVectors,
	"content/random":            contentRandom,
	"content/copy":              contentCopy,
	"content/direct":            contentDirect,
	"content/sync":              contentSync,
	"content/far":               contentFar,
})

// borders are the sizes around a page, and around what one request carries.
var borders = []int{0, 1, 4095, 4096, 4097, 8191, 8192, 131071, 131072, 131073, 1<<20 - 1, 1 << 20, 1<<20 + 1}

// pattern is content in which every place differs from its neighbours.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8 + i>>16)
	}
	return data
}

func contentBorders(t *testing.T, s *subject) {
	for _, size := range borders {
		name, data := fmt.Sprint("f", size), pattern(size)
		s.put(t, name, string(data))
		require.True(t, s.get(name) == string(data), "content of %d bytes", size)
		st := lstat(t, s.path(name))
		s.see(t, fmt.Sprint("size of ", size), number(size), number(st.Size))
		s.see(t, fmt.Sprint("blocks of ", size), number((size+4095)/4096*8), number(st.Blocks))
	}
}

// contentGrowAfterShrink: what was cut off reads as zeros when the file grows
// again (truncate(2)).
func contentGrowAfterShrink(t *testing.T, s *subject) {
	for _, cut := range []int64{0, 1, 100, 4095, 4096, 4097, 5000, 8192} {
		path := s.put(t, fmt.Sprint("f", cut), strings.Repeat("x", 10_000))
		fd := open(t, path, unix.O_RDWR, 0)
		require.NoError(t, unix.Ftruncate(fd, cut))
		require.NoError(t, unix.Ftruncate(fd, 10_000))
		want := strings.Repeat("x", int(cut)) + strings.Repeat("\x00", 10_000-int(cut))
		require.True(t, want == pread(fd, 20_000, 0), "by truncate, cut at %d", cut)
		require.NoError(t, unix.Ftruncate(fd, cut))
		require.Equal(t, "ok", pwrite(fd, "y", 9_999))
		want = want[:9_999] + "y"
		require.True(t, want == pread(fd, 20_000, 0), "by writing beyond, cut at %d", cut)
	}
}

func contentTruncate(t *testing.T, s *subject) {
	path := s.put(t, "f", "abc")
	fd, reader := open(t, path, unix.O_RDWR, 0), open(t, path, unix.O_RDONLY, 0)
	s.see(t, "longer", "ok", errname(unix.Truncate(path, 6)))
	s.see(t, "zeros", "abc\x00\x00\x00", s.get("f"))
	s.see(t, "shorter", "ok", errname(unix.Ftruncate(fd, 2)))
	s.see(t, "cut", "ab", s.get("f"))
	s.see(t, "read beyond", "", pread(fd, 10, 2))
	s.see(t, "negative", "EINVAL", errname(unix.Ftruncate(fd, -1)))
	s.see(t, "read-only descriptor", "EINVAL", errname(unix.Ftruncate(reader, 0)))
	s.see(t, "missing", "ENOENT", errname(unix.Truncate(s.path("none"), 0)))
	require.NoError(t, unix.Chmod(path, 0o400))
	s.see(t, "not writable", "EACCES", errname(unix.Truncate(path, 0)))
	s.see(t, "by an older descriptor", "ok", errname(unix.Ftruncate(fd, 0)))
}

func contentSparse(t *testing.T, s *subject) {
	const tib = 1 << 40
	before, err := hosttest.UsageOf(s.top)
	require.NoError(t, err)
	fd := open(t, s.path("f"), unix.O_CREAT|unix.O_RDWR, 0o600)
	require.NoError(t, unix.Ftruncate(fd, tib))
	s.see(t, "size", number(tib), number(fstat(t, fd).Size))
	s.see(t, "blocks", "0", number(fstat(t, fd).Blocks))
	after, err := hosttest.UsageOf(s.top)
	require.NoError(t, err)
	s.see(t, "no more than a name is used", "yes", yes(after.Blocks-before.Blocks <= 1))
	s.see(t, "hole", "\x00\x00\x00", pread(fd, 3, tib/2))
	s.see(t, "write in the middle", "ok", pwrite(fd, "abc", tib/2+1))
	s.see(t, "blocks of one page", "8", number(fstat(t, fd).Blocks))
	s.see(t, "around it", "\x00abc\x00", pread(fd, 5, tib/2))
	after, err = hosttest.UsageOf(s.top)
	require.NoError(t, err)
	// A page, and the tables that lead to it, which tmpfs has as well but does
	// not count.
	s.see(t, "little is used", "yes", yes(after.Blocks-before.Blocks <= 16))
	require.NoError(t, unix.Ftruncate(fd, 0))
	s.see(t, "blocks at the end", "0", number(fstat(t, fd).Blocks))
}

func seek(fd int, off int64, whence int) string {
	at, err := unix.Seek(fd, off, whence)
	if err != nil {
		return errname(err)
	}
	return number(at)
}

func contentSeekData(t *testing.T, s *subject) {
	const page = 4096
	fd := open(t, s.path("f"), unix.O_CREAT|unix.O_RDWR, 0o600)
	require.Equal(t, "ok", pwrite(fd, "data", 4*page))
	require.NoError(t, unix.Ftruncate(fd, 10*page))
	s.see(t, "data from the start", number(4*page), seek(fd, 0, unix.SEEK_DATA))
	s.see(t, "data within data", number(4*page+2), seek(fd, 4*page+2, unix.SEEK_DATA))
	s.see(t, "data after the last", "ENXIO", seek(fd, 5*page, unix.SEEK_DATA))
	s.see(t, "hole at the start", "0", seek(fd, 0, unix.SEEK_HOLE))
	s.see(t, "hole after data", number(5*page), seek(fd, 4*page, unix.SEEK_HOLE))
	s.see(t, "hole at the end", "ENXIO", seek(fd, 10*page, unix.SEEK_HOLE))
	s.see(t, "end", number(10*page), seek(fd, 0, unix.SEEK_END))
	s.see(t, "negative", "EINVAL", seek(fd, -1, unix.SEEK_SET))
}

func contentAllocate(t *testing.T, s *subject) {
	const page = 4096
	fd := open(t, s.path("f"), unix.O_CREAT|unix.O_RDWR, 0o600)
	s.see(t, "allocate", "ok", errname(unix.Fallocate(fd, 0, 0, 3*page)))
	s.see(t, "size", number(3*page), number(fstat(t, fd).Size))
	s.see(t, "blocks", "24", number(fstat(t, fd).Blocks))
	s.see(t, "reads as zeros", strings.Repeat("\x00", 10), pread(fd, 10, page))
	s.see(t, "beyond the end", "ok", errname(unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 3*page, page)))
	s.see(t, "size kept", number(3*page), number(fstat(t, fd).Size))
	s.see(t, "blocks beyond", "32", number(fstat(t, fd).Blocks))
	s.see(t, "nothing", "EINVAL", errname(unix.Fallocate(fd, 0, 0, 0)))
	s.see(t, "more than there is", "ENOSPC", errname(unix.Fallocate(fd, 0, 0, 1<<40)))
	s.see(t, "blocks after that", "32", number(fstat(t, fd).Blocks))
	s.see(t, "collapse", "EOPNOTSUPP", errname(unix.Fallocate(fd, unix.FALLOC_FL_COLLAPSE_RANGE, 0, page)))
	s.see(t, "insert", "EOPNOTSUPP", errname(unix.Fallocate(fd, unix.FALLOC_FL_INSERT_RANGE, 0, page)))
}

func contentPunch(t *testing.T, s *subject) {
	const page = 4096
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	fd := open(t, s.put(t, "f", strings.Repeat("x", 4*page)), unix.O_RDWR, 0)
	s.see(t, "punch", "ok", errname(unix.Fallocate(fd, punch, page, page)))
	s.see(t, "blocks", "24", number(fstat(t, fd).Blocks))
	s.see(t, "size", number(4*page), number(fstat(t, fd).Size))
	s.see(t, "border", "xx\x00\x00", pread(fd, 4, page-2))
	s.see(t, "other border", "\x00\x00xx", pread(fd, 4, 2*page-2))
	s.see(t, "part of a page", "ok", errname(unix.Fallocate(fd, punch, 10, 5)))
	s.see(t, "around the part", "x\x00\x00\x00\x00\x00x", pread(fd, 7, 9))
	s.see(t, "blocks as before", "24", number(fstat(t, fd).Blocks))
	s.see(t, "beyond the end", "ok", errname(unix.Fallocate(fd, punch, 10*page, page)))
	s.see(t, "size as before", number(4*page), number(fstat(t, fd).Size))
	s.see(t, "without keeping the size", "EOPNOTSUPP", errname(unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE, 0, page)))
}

func contentAppend(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", "abc"), unix.O_RDWR|unix.O_APPEND, 0)
	_, err := unix.Seek(fd, 0, unix.SEEK_SET)
	require.NoError(t, err)
	_, err = unix.Write(fd, []byte("def"))
	require.NoError(t, err)
	s.see(t, "write at the start", "abcdef", s.get("f"))
	s.see(t, "pwrite appends on Linux", "ok", pwrite(fd, "ghi", 0))
	s.see(t, "content", "abcdefghi", s.get("f"))
	writer := open(t, s.path("f"), unix.O_WRONLY, 0)
	s.see(t, "another writer", "ok", pwrite(writer, "jkl", 9))
	_, err = unix.Write(fd, []byte("mno"))
	require.NoError(t, err)
	s.see(t, "after another writer", "abcdefghijklmno", s.get("f"))
}

// contentAppendRace: records of several appenders never overlap.
func contentAppendRace(t *testing.T, s *subject) {
	const writers, records = 4, 200
	path := s.put(t, "log", "")
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			assert.NoError(t, as(user(), func() error {
				fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				line := []byte(strings.Repeat(fmt.Sprint(w), 99) + "\n")
				for range records {
					if n, err := unix.Write(fd, line); err != nil || n != len(line) {
						return fmt.Errorf("append: %d bytes, %w", n, err)
					}
				}
				return nil
			}))
		})
	}
	wait.Wait()
	count := map[string]int{}
	for _, line := range strings.Fields(s.get("log")) {
		count[line]++
	}
	s.see(t, "different lines", number(writers), number(len(count)))
	for w := range writers {
		s.see(t, fmt.Sprint("lines of ", w), number(records), number(count[strings.Repeat(fmt.Sprint(w), 99)]))
	}
}

func contentVectors(t *testing.T, s *subject) {
	fd := open(t, s.path("f"), unix.O_CREAT|unix.O_RDWR, 0o600)
	n, err := unix.Pwritev(fd, [][]byte{[]byte("abc"), {}, []byte("def")}, 4094)
	require.NoError(t, err)
	s.see(t, "written", "6", number(n))
	first, second := make([]byte, 4), make([]byte, 10)
	n, err = unix.Preadv(fd, [][]byte{first, second}, 4093)
	require.NoError(t, err)
	s.see(t, "read", "7", number(n))
	s.see(t, "first", "\x00abc", string(first))
	s.see(t, "second", "def", string(second[:3]))
}

// contentRandom writes, cuts and reads at random and compares with a copy.
func contentRandom(t *testing.T, s *subject) {
	const most = 3 << 20
	fd := open(t, s.path("f"), unix.O_CREAT|unix.O_RDWR, 0o600)
	shadow := []byte{}
	pick := rand.New(rand.NewPCG(3, 4))
	for step := range 400 {
		off, n := pick.IntN(most), pick.IntN(300_000)
		switch pick.IntN(5) {
		case 0:
			require.NoError(t, unix.Ftruncate(fd, int64(off)))
			shadow = resized(shadow, off)
		case 1, 2:
			data := pattern(n + step)[step:]
			require.Equal(t, "ok", pwrite(fd, string(data), int64(off)))
			shadow = resized(shadow, max(len(shadow), off+n))
			copy(shadow[off:], data)
		default:
			want := shadow[min(off, len(shadow)):min(off+n, len(shadow))]
			require.True(t, string(want) == pread(fd, n, int64(off)), "step %d: %d bytes at %d", step, n, off)
		}
	}
	s.see(t, "size at the end", number(len(shadow)), number(fstat(t, fd).Size))
}

// resized is truncate on a slice.
func resized(data []byte, size int) []byte {
	if size <= len(data) {
		return bytes.Clone(data[:size])
	}
	return append(data, make([]byte, size-len(data))...)
}

func contentCopy(t *testing.T, s *subject) {
	const size = 300_000
	data := string(pattern(size))
	from := open(t, s.put(t, "from", data), unix.O_RDONLY, 0)
	to := open(t, s.path("to"), unix.O_CREAT|unix.O_RDWR, 0o600)
	var at int64
	for at < size {
		n, err := unix.CopyFileRange(from, &at, to, nil, size, 0)
		require.NoError(t, err)
		require.Positive(t, n)
	}
	s.see(t, "copy_file_range", "yes", yes(s.get("to") == data))
	require.NoError(t, unix.Ftruncate(to, 0))
	_, err := unix.Seek(to, 0, unix.SEEK_SET)
	require.NoError(t, err)
	for at = 0; at < size; {
		n, err := unix.Sendfile(to, from, &at, size)
		require.NoError(t, err)
		require.Positive(t, n)
	}
	s.see(t, "sendfile", "yes", yes(s.get("to") == data))
}

// contentDirect reads and writes past the page cache (O_DIRECT).
func contentDirect(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", strings.Repeat("x", 8192)), unix.O_RDWR|unix.O_DIRECT, 0)
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(page)) }()
	copy(page, bytes.Repeat([]byte("y"), 4096))
	n, err := unix.Pwrite(fd, page, 4096)
	s.see(t, "write", "4096 ok", number(n)+" "+errname(err))
	s.see(t, "seen by others", "xxyy", s.get("f")[4094:4098])
	n, err = unix.Pread(fd, page, 0)
	s.see(t, "read", "4096 ok", number(n)+" "+errname(err))
	s.see(t, "content", "yes", yes(string(page) == strings.Repeat("x", 4096)))
}

func contentSync(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", "abc"), unix.O_RDWR, 0)
	s.see(t, "fsync", "ok", errname(unix.Fsync(fd)))
	s.see(t, "fdatasync", "ok", errname(unix.Fdatasync(fd)))
	s.see(t, "syncfs", "ok", errname(unix.Syncfs(fd)))
	synced := open(t, s.path("g"), unix.O_CREAT|unix.O_RDWR|unix.O_SYNC, 0o600)
	s.see(t, "synchronous write", "ok", pwrite(synced, "abc", 0))
	s.see(t, "advice", "ok", errname(unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)))
	s.see(t, "content", "abc", s.get("f"))
}

// contentFar goes to the largest offset there is.
func contentFar(t *testing.T, s *subject) {
	const last = 1<<63 - 1
	fd := open(t, s.path("f"), unix.O_CREAT|unix.O_RDWR, 0o600)
	s.see(t, "truncate to the largest size", "ok", errname(unix.Ftruncate(fd, last)))
	s.see(t, "size", number(int64(last)), number(fstat(t, fd).Size))
	s.see(t, "read at the end", "\x00", pread(fd, 1, last-1))
	s.see(t, "write the last byte", "ok", pwrite(fd, "z", last-1))
	s.see(t, "read it", "z", pread(fd, 1, last-1))
	s.see(t, "write beyond", "EINVAL", pwrite(fd, "z", last))
	require.NoError(t, unix.Ftruncate(fd, 0))
}
