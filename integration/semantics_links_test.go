//go:build linux

package integration

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var _ = register(map[string]semantic{
	"links/hard":      linksHard,
	"links/errors":    linksErrors,
	"links/lock file": linksLockFile,
	"links/across":    linksAcross,
	"links/symbolic":  linksSymbolic,
	"unlink/errors":   unlinkErrors,
	"unlink/rmdir":    unlinkRmdir,
	"unlink/open dir": unlinkOpenDirectory,
	"unlink/reuse":    unlinkReuse,
})

func linksHard(t *testing.T, s *subject) {
	a, b := s.put(t, "a", "A"), s.path("b")
	s.see(t, "fresh", "1", number(lstat(t, a).Nlink))
	s.see(t, "link", "ok", errname(unix.Link(a, b)))
	s.see(t, "links", "2", number(lstat(t, a).Nlink))
	s.see(t, "same inode", "yes", yes(lstat(t, a).Ino == lstat(t, b).Ino))
	s.put(t, "b", "changed")
	s.see(t, "content by the other name", "changed", s.get("a"))
	require.NoError(t, unix.Unlink(a))
	s.see(t, "links after unlink", "1", number(lstat(t, b).Nlink))
	s.see(t, "content stays", "changed", s.get("b"))
	s.see(t, "unlinked name", "ENOENT", s.get("a"))
}

func linksErrors(t *testing.T, s *subject) {
	a, dir := s.put(t, "a", "A"), s.mkdir(t, "d")
	s.see(t, "to an existing name", "EEXIST", errname(unix.Link(a, s.put(t, "b", ""))))
	s.see(t, "to itself", "EEXIST", errname(unix.Link(a, a)))
	s.see(t, "of a directory", "EPERM", errname(unix.Link(dir, s.path("e"))))
	s.see(t, "of nothing", "ENOENT", errname(unix.Link(s.path("none"), s.path("e"))))
	s.see(t, "below a file", "ENOTDIR", errname(unix.Link(a, a+"/e")))
	s.see(t, "links", "1", number(lstat(t, a).Nlink))
}

// linksLockFile is the lock of mail tools and gpg: link, then look at the
// count of links rather than at the result.
func linksLockFile(t *testing.T, s *subject) {
	mine, lock := s.put(t, "host.123", "123"), s.path("lock")
	s.see(t, "take", "ok", errname(unix.Link(mine, lock)))
	s.see(t, "count", "2", number(lstat(t, mine).Nlink))
	s.see(t, "second taker", "EEXIST", errname(unix.Link(s.put(t, "host.456", "456"), lock)))
	s.see(t, "release", "ok", errname(unix.Unlink(lock)))
	s.see(t, "count afterwards", "1", number(lstat(t, mine).Nlink))
}

func linksAcross(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	a := s.put(t, "a", "A")
	s.see(t, "into a directory", "ok", errname(unix.Link(a, dir+"/b")))
	s.see(t, "content", "A", s.get("d/b"))
	s.see(t, "out of it", "ok", errname(unix.Link(dir+"/b", s.path("c"))))
	s.see(t, "links", "3", number(lstat(t, a).Nlink))
	require.NoError(t, os.RemoveAll(dir))
	s.see(t, "links afterwards", "2", number(lstat(t, a).Nlink))
}

func linksSymbolic(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	for _, row := range []struct{ key, target, path string }{
		{"in the folder", "d", s.path("l")},
		{"in a directory", "x", dir + "/l"},
		{"absolute", "/etc/passwd", dir + "/m"},
		{"upward", "../../..", dir + "/n"},
		{"to itself", "l2", s.path("l2")},
	} {
		s.see(t, row.key, "ok", errname(unix.Symlink(row.target, row.path)))
		s.see(t, row.key+", there", "ok", exists(row.path))
	}
	s.put(t, "taken", "")
	s.see(t, "over a file", "EEXIST", errname(unix.Symlink("x", s.path("taken"))))
}

func unlinkErrors(t *testing.T, s *subject) {
	file, dir := s.put(t, "f", ""), s.mkdir(t, "d")
	s.see(t, "a directory", "EISDIR", errname(unix.Unlink(dir)))
	s.see(t, "nothing", "ENOENT", errname(unix.Unlink(s.path("none"))))
	s.see(t, "below a file", "ENOTDIR", errname(unix.Unlink(file+"/x")))
	s.see(t, "a file with slash", "ENOTDIR", errname(unix.Unlink(file+"/")))
	s.see(t, "a file", "ok", errname(unix.Unlink(file)))
	s.see(t, "again", "ENOENT", errname(unix.Unlink(file)))
}

func unlinkRmdir(t *testing.T, s *subject) {
	file, dir := s.put(t, "f", ""), s.mkdir(t, "d")
	require.NoError(t, os.WriteFile(dir+"/x", nil, 0o600))
	s.see(t, "a file", "ENOTDIR", errname(unix.Rmdir(file)))
	s.see(t, "a full directory", "ENOTEMPTY", errname(unix.Rmdir(dir)))
	s.see(t, "dot", "EINVAL", errname(unix.Rmdir(dir+"/.")))
	s.see(t, "dot dot", "ENOTEMPTY", errname(unix.Rmdir(dir+"/..")))
	require.NoError(t, unix.Unlink(dir+"/x"))
	s.see(t, "an empty one", "ok", errname(unix.Rmdir(dir)))
	s.see(t, "again", "ENOENT", errname(unix.Rmdir(dir)))
	s.see(t, "a file in its place", "ok", errname(tryOpen(dir, unix.O_CREAT|unix.O_WRONLY, 0o600)))
}

// unlinkOpenDirectory: a removed directory that is still open is empty and
// takes nothing in.
func unlinkOpenDirectory(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	fd := open(t, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	require.NoError(t, unix.Rmdir(dir))
	var st unix.Stat_t
	s.see(t, "fstat", "ok", errname(unix.Fstat(fd, &st)))
	s.see(t, "links", "0", number(st.Nlink))
	_, err := unix.Getdents(fd, make([]byte, 4096))
	s.see(t, "list", "ENOENT", errname(err))
	_, err = unix.Openat(fd, "f", unix.O_CREAT|unix.O_WRONLY, 0o600)
	s.see(t, "create", "ENOENT", errname(err))
	s.see(t, "mkdir", "ENOENT", errname(unix.Mkdirat(fd, "x", 0o700)))
	s.mkdir(t, "d")
	s.see(t, "a new one of that name is another", "ENOENT", errname(unix.Mkdirat(fd, "x", 0o700)))
}

// unlinkReuse creates and removes one name many times: no remains of the
// former file show through.
func unlinkReuse(t *testing.T, s *subject) {
	for i := range 200 {
		path := s.path("again")
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		require.NoError(t, err, "round %d", i)
		require.Equal(t, "", pread(fd, 10, 0), "round %d: a new file is empty", i)
		require.Equal(t, "ok", pwrite(fd, "remains", 0))
		require.NoError(t, unix.Close(fd))
		require.NoError(t, unix.Unlink(path))
		require.Equal(t, "ENOENT", exists(path))
	}
	s.see(t, "nothing is left", "ENOENT", exists(s.path("again")))
}
