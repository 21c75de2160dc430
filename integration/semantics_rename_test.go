//go:build linux

package integration

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var _ = register(map[string]semantic{
	"rename/file":          renameFile,
	"rename/kinds":         renameKinds,
	"rename/directory":     renameDirectory,
	"rename/into itself":   renameIntoItself,
	"rename/errors":        renameErrors,
	"rename/replace open":  renameReplaceOpen,
	"rename/same file":     renameSameFile,
	"rename/noreplace":     renameNoReplace,
	"rename/exchange":      renameExchange,
	"rename/whiteout":      renameWhiteout,
	"rename/across":        renameAcross,
	"rename/links counted": renameLinks,
})

func rename(from, to string, flags uint) string {
	return errname(unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags))
}

func renameFile(t *testing.T, s *subject) {
	a, b := s.put(t, "a", "A"), s.path("b")
	ino := lstat(t, a).Ino
	s.see(t, "to a free name", "ok", rename(a, b, 0))
	s.see(t, "old name", "ENOENT", s.get("a"))
	s.see(t, "new name", "A", s.get("b"))
	s.see(t, "same inode", "yes", yes(lstat(t, b).Ino == ino))
	s.put(t, "c", "C")
	s.see(t, "over a file", "ok", rename(b, s.path("c"), 0))
	s.see(t, "replaced", "A", s.get("c"))
	s.see(t, "source", "ENOENT", s.get("b"))
	s.see(t, "onto itself", "ok", rename(s.path("c"), s.path("c"), 0))
	s.see(t, "still there", "A", s.get("c"))
}

func renameKinds(t *testing.T, s *subject) {
	file, dir, full := s.put(t, "f", "F"), s.mkdir(t, "d"), s.mkdir(t, "full")
	require.NoError(t, os.WriteFile(full+"/x", nil, 0o600))
	require.NoError(t, unix.Mkfifo(s.path("p"), 0o600))
	s.see(t, "file over directory", "EISDIR", rename(file, dir, 0))
	s.see(t, "directory over file", "ENOTDIR", rename(dir, file, 0))
	s.see(t, "directory over a full one", "ENOTEMPTY", rename(dir, full, 0))
	s.see(t, "full directory over an empty one", "ok", rename(full, dir, 0))
	s.see(t, "moved along", "ok", exists(dir+"/x"))
	s.see(t, "fifo over file", "ok", rename(s.path("p"), file, 0))
	s.see(t, "is a fifo", "yes", yes(lstat(t, file).Mode&unix.S_IFMT == unix.S_IFIFO))
}

func renameDirectory(t *testing.T, s *subject) {
	a, b := s.mkdir(t, "a"), s.mkdir(t, "b")
	require.NoError(t, unix.Mkdir(a+"/sub", 0o700))
	require.NoError(t, os.WriteFile(a+"/sub/f", []byte("deep"), 0o600))
	s.see(t, "into a sibling", "ok", rename(a, b+"/a", 0))
	s.see(t, "content", "deep", s.get("b/a/sub/f"))
	s.see(t, "parent", "yes", yes(lstat(t, b+"/a/..").Ino == lstat(t, b).Ino))
	s.see(t, "back out", "ok", rename(b+"/a/sub", s.path("sub"), 0))
	s.see(t, "content there", "deep", s.get("sub/f"))
	s.see(t, "empty again", "ok", errname(unix.Rmdir(b+"/a")))
}

func renameIntoItself(t *testing.T, s *subject) {
	a := s.mkdir(t, "a")
	require.NoError(t, os.MkdirAll(a+"/b/c", 0o700))
	s.see(t, "into its child", "EINVAL", rename(a, a+"/x", 0))
	s.see(t, "into its grandchild", "EINVAL", rename(a, a+"/b/c/x", 0))
	s.see(t, "over its ancestor", "ENOTEMPTY", rename(a+"/b", a, 0))
	s.see(t, "exchanged with its child", "EINVAL", rename(a, a+"/b", unix.RENAME_EXCHANGE))
	s.see(t, "untouched", "ok", exists(a+"/b/c"))
}

func renameErrors(t *testing.T, s *subject) {
	file, dir := s.put(t, "f", "F"), s.mkdir(t, "d")
	s.see(t, "missing source", "ENOENT", rename(s.path("none"), s.path("x"), 0))
	s.see(t, "missing parent", "ENOENT", rename(file, s.path("none/x"), 0))
	s.see(t, "parent is a file", "ENOTDIR", rename(dir, file+"/x", 0))
	s.see(t, "dot", "EBUSY", rename(dir+"/.", s.path("x"), 0))
	s.see(t, "file to a name with slash", "ENOTDIR", rename(file, s.path("x")+"/", 0))
	s.see(t, "directory to a name with slash", "ok", rename(dir, s.path("x")+"/", 0))
	s.see(t, "unknown flag", "EINVAL", rename(file, s.path("y"), 1<<7))
	s.see(t, "exclusive flags", "EINVAL", rename(file, s.path("y"), unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE))
	s.see(t, "source", "F", s.get("f"))
}

func renameReplaceOpen(t *testing.T, s *subject) {
	old := open(t, s.put(t, "f", "old"), unix.O_RDWR, 0)
	s.see(t, "replace", "ok", rename(s.put(t, "f.tmp", "new"), s.path("f"), 0))
	s.see(t, "by name", "new", s.get("f"))
	s.see(t, "by the open descriptor", "old", pread(old, 3, 0))
	s.see(t, "links of the replaced", "0", number(fstat(t, old).Nlink))
}

// renameSameFile: two names of one inode stay two names (rename(2)).
func renameSameFile(t *testing.T, s *subject) {
	a, b := s.put(t, "a", "A"), s.path("b")
	require.NoError(t, unix.Link(a, b))
	s.see(t, "rename between links", "ok", rename(a, b, 0))
	s.see(t, "first stays", "A", s.get("a"))
	s.see(t, "second stays", "A", s.get("b"))
	s.see(t, "links", "2", number(lstat(t, a).Nlink))
}

func renameNoReplace(t *testing.T, s *subject) {
	a, b, dir := s.put(t, "a", "A"), s.put(t, "b", "B"), s.mkdir(t, "d")
	s.see(t, "over a file", "EEXIST", rename(a, b, unix.RENAME_NOREPLACE))
	s.see(t, "over a directory", "EEXIST", rename(a, dir, unix.RENAME_NOREPLACE))
	s.see(t, "over itself", "EEXIST", rename(a, a, unix.RENAME_NOREPLACE))
	s.see(t, "both stay", "A B", s.get("a")+" "+s.get("b"))
	s.see(t, "to a free name", "ok", rename(a, s.path("c"), unix.RENAME_NOREPLACE))
	s.see(t, "moved", "A", s.get("c"))
	s.see(t, "into a directory", "ok", rename(s.path("c"), dir+"/c", unix.RENAME_NOREPLACE))
}

func renameExchange(t *testing.T, s *subject) {
	a, b, dir := s.put(t, "a", "A"), s.put(t, "b", "B"), s.mkdir(t, "d")
	inoA, inoB := lstat(t, a).Ino, lstat(t, b).Ino
	s.see(t, "two files", "ok", rename(a, b, unix.RENAME_EXCHANGE))
	s.see(t, "contents", "B A", s.get("a")+" "+s.get("b"))
	s.see(t, "inodes", "yes", yes(lstat(t, a).Ino == inoB && lstat(t, b).Ino == inoA))
	s.see(t, "missing target", "ENOENT", rename(a, s.path("none"), unix.RENAME_EXCHANGE))
	s.see(t, "file and directory", "ok", rename(a, dir, unix.RENAME_EXCHANGE))
	s.see(t, "now a directory", "yes", yes(lstat(t, a).Mode&unix.S_IFMT == unix.S_IFDIR))
	s.see(t, "now a file", "B", s.get("d"))
	require.NoError(t, os.WriteFile(a+"/deep", []byte("D"), 0o600))
	s.see(t, "between directories", "ok", rename(a+"/deep", b, unix.RENAME_EXCHANGE))
	s.see(t, "contents across", "A D", s.get("a/deep")+" "+s.get("b"))
}

// renameWhiteout is what overlayfs asks of its upper layer: it leaves a
// character device behind.
func renameWhiteout(t *testing.T, s *subject) {
	a := s.put(t, "a", "A")
	s.see(t, "whiteout", "ok", rename(a, s.path("b"), unix.RENAME_WHITEOUT))
	var st unix.Stat_t
	s.see(t, "what is left", "ok", errname(unix.Lstat(a, &st)))
	s.see(t, "is a device", "yes", yes(st.Mode&unix.S_IFMT == unix.S_IFCHR))
}

// renameAcross goes in and out of a directory, so that in a root the entry
// leaves and enters the folder where names are assigned.
func renameAcross(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	s.see(t, "in", "ok", rename(s.put(t, "a", "A"), dir+"/a", 0))
	s.see(t, "listing inside", "a", listing(t, dir))
	s.see(t, "out", "ok", rename(dir+"/a", s.path("b"), 0))
	s.see(t, "content", "A", s.get("b"))
	s.see(t, "listing inside afterwards", "", listing(t, dir))
	require.NoError(t, os.WriteFile(dir+"/c", []byte("C"), 0o600))
	s.see(t, "out over another", "ok", rename(dir+"/c", s.path("b"), 0))
	s.see(t, "replaced", "C", s.get("b"))
	require.NoError(t, os.WriteFile(dir+"/e", []byte("E"), 0o600))
	s.see(t, "in over another", "ok", rename(s.path("b"), dir+"/e", 0))
	s.see(t, "replaced inside", "C", s.get("d/e"))
	require.NoError(t, unix.Mkdir(dir+"/sub", 0o700))
	s.see(t, "directory out", "ok", rename(dir+"/sub", s.path("sub"), 0))
	s.see(t, "directory in", "ok", rename(s.path("sub"), dir+"/again", 0))
}

func renameLinks(t *testing.T, s *subject) {
	a, b := s.put(t, "a", "A"), s.put(t, "b", "B")
	require.NoError(t, unix.Link(b, s.path("b2")))
	s.see(t, "over one of two links", "ok", rename(a, b, 0))
	s.see(t, "the other link stays", "B", s.get("b2"))
	s.see(t, "its links", "1", number(lstat(t, s.path("b2")).Nlink))
	dir := lstat(t, s.dir).Nlink
	s.mkdir(t, "d1")
	s.mkdir(t, "d2")
	s.see(t, "two directories more", number(dir+2), number(lstat(t, s.dir).Nlink))
	s.see(t, "one over the other", "ok", rename(s.path("d1"), s.path("d2"), 0))
	s.see(t, "one less", number(dir+1), number(lstat(t, s.dir).Nlink))
	s.mkdir(t, "d3")
	s.see(t, "one into the other", "ok", rename(s.path("d3"), s.path("d2/d3"), 0))
	s.see(t, "one less again", number(dir+1), number(lstat(t, s.dir).Nlink))
	s.see(t, "one more inside", "3", number(lstat(t, s.path("d2")).Nlink))
}
