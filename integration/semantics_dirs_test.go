//go:build linux

package integration

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var _ = register(map[string]semantic{
	"dirs/links":      dirsLinks,
	"dirs/listing":    dirsListing,
	"dirs/types":      dirsTypes,
	"dirs/small buf":  dirsSmallBuffer,
	"dirs/seek":       dirsSeek,
	"dirs/rewind":     dirsRewind,
	"dirs/rm -rf":     dirsRemoveWhileListing,
	"dirs/deep":       dirsDeep,
	"dirs/replaced":   dirsReplacedWhileListing,
	"dirs/stat inode": dirsInodes,
	"dirs/renaming":   dirsRenameWhileListing,
})

// dirent is one entry as getdents64 gives it.
type dirent struct {
	name string
	ino  uint64
	off  int64 // cookie of the entry after this one
	kind byte
}

// getdents reads one buffer of entries; none means the end.
func getdents(fd, size int) ([]dirent, error) {
	buf := make([]byte, size)
	n, err := unix.Getdents(fd, buf)
	if err != nil {
		return nil, err
	}
	var entries []dirent
	for buf = buf[:n]; len(buf) > 0; {
		length := binary.NativeEndian.Uint16(buf[16:])
		name, _, _ := strings.Cut(string(buf[19:length]), "\x00")
		entries = append(entries, dirent{
			name: name,
			ino:  binary.NativeEndian.Uint64(buf),
			off:  int64(binary.NativeEndian.Uint64(buf[8:])),
			kind: buf[18],
		})
		buf = buf[length:]
	}
	return entries, nil
}

// readAll lists fd from where it is, a buffer at a time.
func readAll(t testing.TB, fd, size int) []dirent {
	t.Helper()
	var all []dirent
	for {
		entries, err := getdents(fd, size)
		require.NoError(t, err)
		if len(entries) == 0 {
			return all
		}
		all = append(all, entries...)
	}
}

// fill makes count files and returns their names.
func (s *subject) fill(t testing.TB, count int) []string {
	t.Helper()
	var names []string
	for i := range count {
		name := fmt.Sprint("file", i)
		require.NoError(t, tryOpen(s.path(name), unix.O_CREAT|unix.O_WRONLY, 0o600))
		names = append(names, name)
	}
	return names
}

func dirsLinks(t *testing.T, s *subject) {
	before := lstat(t, s.dir).Nlink
	dir := s.mkdir(t, "d")
	s.see(t, "of an empty one", "2", number(lstat(t, dir).Nlink))
	s.see(t, "of its parent", number(before+1), number(lstat(t, s.dir).Nlink))
	require.NoError(t, unix.Mkdir(dir+"/a", 0o700))
	require.NoError(t, unix.Mkdir(dir+"/b", 0o700))
	require.NoError(t, os.WriteFile(dir+"/f", nil, 0o600))
	s.see(t, "with two inside", "4", number(lstat(t, dir).Nlink))
	require.NoError(t, unix.Rmdir(dir+"/a"))
	s.see(t, "with one inside", "3", number(lstat(t, dir).Nlink))
}

func dirsListing(t *testing.T, s *subject) {
	before := strings.Fields(listing(t, s.dir))
	s.put(t, "a", "")
	s.mkdir(t, "b")
	s.see(t, "listed", strings.Join(append([]string{"a", "b"}, before...), " "), listing(t, s.dir))
	dir := s.path("b")
	require.NoError(t, os.WriteFile(dir+"/inner", nil, 0o600))
	s.see(t, "below", "inner", listing(t, dir))
	require.NoError(t, unix.Unlink(s.path("a")))
	require.NoError(t, os.RemoveAll(dir))
	s.see(t, "removed", strings.Join(before, " "), listing(t, s.dir))
}

func dirsTypes(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
	require.NoError(t, unix.Mkdir(dir+"/directory", 0o700))
	require.NoError(t, unix.Mkfifo(dir+"/fifo", 0o600))
	require.NoError(t, unix.Mknod(dir+"/socket", unix.S_IFSOCK|0o600, 0))
	var found []string
	for _, entry := range readAll(t, open(t, dir, unix.O_RDONLY, 0), 4096) {
		found = append(found, fmt.Sprint(entry.name, " ", entry.kind))
	}
	sort.Strings(found)
	want := fmt.Sprintf(". %d|.. %d|directory %d|fifo %d|file %d|socket %d",
		unix.DT_DIR, unix.DT_DIR, unix.DT_DIR, unix.DT_FIFO, unix.DT_REG, unix.DT_SOCK)
	s.see(t, "names and kinds", want, strings.Join(found, "|"))
}

func dirsInodes(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
	for _, entry := range readAll(t, open(t, dir, unix.O_RDONLY, 0), 4096) {
		s.see(t, "inode of "+entry.name, number(lstat(t, dir+"/"+entry.name).Ino), number(entry.ino))
	}
}

// dirsSmallBuffer lists with the smallest buffers that hold one entry.
func dirsSmallBuffer(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	sub := &subject{dir: dir}
	sub.fill(t, 100)
	fd := open(t, dir, unix.O_RDONLY, 0)
	_, err := getdents(fd, 16)
	s.see(t, "too small", "EINVAL", errname(err))
	names := map[string]int{}
	for _, entry := range readAll(t, fd, 64) {
		names[entry.name]++
	}
	s.see(t, "different names", "102", number(len(names)))
	for name, times := range names {
		assert.Equal(t, 1, times, "times that %s was listed", name)
	}
}

// dirsSeek goes back to cookies it was given, in any order (telldir(3),
// seekdir(3)).
func dirsSeek(t *testing.T, s *subject) {
	s.fill(t, 500)
	fd := open(t, s.dir, unix.O_RDONLY, 0)
	all := readAll(t, fd, 4096)
	pick := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		at := pick.IntN(len(all) - 1)
		_, err := unix.Seek(fd, all[at].off, unix.SEEK_SET)
		require.NoError(t, err)
		entries, err := getdents(fd, 512)
		require.NoError(t, err)
		require.NotEmpty(t, entries)
		require.Equal(t, all[at+1].name, entries[0].name, "entry after cookie %d", at)
	}
	_, err := unix.Seek(fd, all[len(all)-1].off, unix.SEEK_SET)
	require.NoError(t, err)
	rest, err := getdents(fd, 512)
	require.NoError(t, err)
	s.see(t, "after the last cookie", "0", number(len(rest)))
}

func dirsRewind(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	sub := &subject{dir: dir}
	sub.fill(t, 10)
	fd := open(t, dir, unix.O_RDONLY, 0)
	s.see(t, "first pass", "12", number(len(readAll(t, fd, 256))))
	s.see(t, "at the end", "0", number(len(readAll(t, fd, 256))))
	require.NoError(t, os.WriteFile(dir+"/more", nil, 0o600))
	_, err := unix.Seek(fd, 0, unix.SEEK_SET)
	require.NoError(t, err)
	s.see(t, "after rewinding", "13", number(len(readAll(t, fd, 256))))
}

// dirsRemoveWhileListing is rm -rf: unlink each entry as it is listed, in one
// pass over the directory.
func dirsRemoveWhileListing(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	sub := &subject{dir: dir}
	sub.fill(t, 3000)
	fd := open(t, dir, unix.O_RDONLY, 0)
	removed := 0
	for {
		entries, err := getdents(fd, 2048)
		require.NoError(t, err)
		if len(entries) == 0 {
			break
		}
		for _, entry := range entries {
			if !strings.HasPrefix(entry.name, ".") {
				require.NoError(t, unix.Unlinkat(fd, entry.name, 0))
				removed++
			}
		}
	}
	s.see(t, "removed in one pass", "3000", number(removed))
	s.see(t, "then empty", "ok", errname(unix.Rmdir(dir)))
}

// dirsReplacedWhileListing renames over listed entries meanwhile: those that
// are not touched are listed once, and the listing ends although each round
// makes an entry.
func dirsReplacedWhileListing(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	sub := &subject{dir: dir}
	sub.fill(t, 400)
	fd := open(t, dir, unix.O_RDONLY, 0)
	times := map[string]int{}
	for round := 0; ; round++ {
		entries, err := getdents(fd, 512)
		require.NoError(t, err)
		if len(entries) == 0 {
			break
		}
		require.Less(t, round, 400, "the listing does not end")
		for _, entry := range entries {
			times[entry.name]++
		}
		sub.put(t, "new", "")
		require.NoError(t, unix.Rename(sub.path("new"), sub.path(fmt.Sprint("file", 2*round))))
	}
	for i := 1; i < 400; i += 2 {
		assert.Equal(t, 1, times[fmt.Sprint("file", i)], "file%d", i)
	}
}

// dirsRenameWhileListing renames every entry that is listed, as a program that
// changes suffixes does: it comes to an end (xfstests generic/736).
func dirsRenameWhileListing(t *testing.T, s *subject) {
	sub := &subject{dir: s.mkdir(t, "d")}
	sub.fill(t, 400)
	fd := open(t, sub.dir, unix.O_RDONLY, 0)
	renames := 0
	for {
		entries, err := getdents(fd, 512)
		require.NoError(t, err)
		if len(entries) == 0 {
			break
		}
		for _, entry := range entries {
			if entry.kind == unix.DT_REG {
				require.NoError(t, unix.Rename(sub.path(entry.name), sub.path(fmt.Sprint("renamed", renames))))
				renames++
			}
		}
		require.Less(t, renames, 4000, "the listing does not end")
	}
	s.see(t, "each at least once", "yes", yes(renames >= 400))
	s.see(t, "as many as before", "400", number(len(strings.Fields(listing(t, sub.dir)))))
}

func dirsDeep(t *testing.T, s *subject) {
	require.NoError(t, unix.Chdir(s.dir))
	t.Cleanup(func() { assert.NoError(t, unix.Chdir("/")) })
	const depth = 300
	for range depth {
		require.NoError(t, unix.Mkdir("deep", 0o700))
		require.NoError(t, unix.Chdir("deep"))
	}
	require.NoError(t, os.WriteFile("bottom", []byte("B"), 0o600))
	for range depth {
		require.NoError(t, unix.Chdir(".."))
	}
	s.see(t, "from the bottom", "B", s.get(strings.Repeat("deep/", depth)+"bottom"))
	s.see(t, "back at the top", "yes", yes(lstat(t, ".").Ino == lstat(t, s.dir).Ino))
	s.see(t, "remove", "ok", errname(os.RemoveAll("deep")))
}
