//go:build linux

package integration

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

var _ = register(map[string]semantic{
	"xattr/set and get": xattrBasics,
	"xattr/errors":      xattrErrors,
	"xattr/spaces":      xattrSpaces,
	"xattr/kinds":       xattrKinds,
	"times/set":         timesSet,
	"times/touched":     timesTouched,
	"times/directory":   timesDirectory,
	"times/read":        timesRead,
	"times/fresh":       timesFresh,
	"statfs/fields":     statfsFields,
	"statfs/counts":     statfsCounts,
	"names/long":        namesLong,
	"names/ordinary":    namesOrdinary,
	"names/odd":         namesOdd,
})

func getxattr(path, name string) string {
	value := make([]byte, 70_000)
	n, err := unix.Getxattr(path, name, value)
	if err != nil {
		return errname(err)
	}
	return string(value[:n])
}

func listxattr(path string) string {
	names := make([]byte, 4096)
	n, err := unix.Listxattr(path, names)
	if err != nil {
		return errname(err)
	}
	list := strings.Split(strings.Trim(string(names[:n]), "\x00"), "\x00")
	sort.Strings(list)
	return strings.Join(list, " ")
}

func xattrBasics(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	s.see(t, "list of none", "", listxattr(path))
	s.see(t, "set", "ok", errname(unix.Setxattr(path, "user.a", []byte("one"), 0)))
	s.see(t, "get", "one", getxattr(path, "user.a"))
	s.see(t, "replace", "ok", errname(unix.Setxattr(path, "user.a", []byte("other"), 0)))
	s.see(t, "get again", "other", getxattr(path, "user.a"))
	s.see(t, "empty value", "ok", errname(unix.Setxattr(path, "user.empty", nil, 0)))
	s.see(t, "get empty", "", getxattr(path, "user.empty"))
	s.see(t, "list", "user.a user.empty", listxattr(path))
	fd := open(t, path, unix.O_RDONLY, 0)
	s.see(t, "set by descriptor", "ok", errname(unix.Fsetxattr(fd, "user.b", []byte("two"), 0)))
	s.see(t, "get by name", "two", getxattr(path, "user.b"))
	require.NoError(t, unix.Rename(path, s.path("g")))
	s.see(t, "kept by rename", "two", getxattr(s.path("g"), "user.b"))
	s.see(t, "remove", "ok", errname(unix.Removexattr(s.path("g"), "user.b")))
	s.see(t, "removed", "ENODATA", getxattr(s.path("g"), "user.b"))
	s.see(t, "list afterwards", "user.a user.empty", listxattr(s.path("g")))
}

func xattrErrors(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	require.NoError(t, unix.Setxattr(path, "user.a", []byte("value"), 0))
	s.see(t, "create what exists", "EEXIST", errname(unix.Setxattr(path, "user.a", nil, unix.XATTR_CREATE)))
	s.see(t, "replace what does not", "ENODATA", errname(unix.Setxattr(path, "user.b", nil, unix.XATTR_REPLACE)))
	s.see(t, "remove what does not exist", "ENODATA", errname(unix.Removexattr(path, "user.b")))
	_, err := unix.Getxattr(path, "user.a", make([]byte, 2))
	s.see(t, "buffer too small", "ERANGE", errname(err))
	n, err := unix.Getxattr(path, "user.a", nil)
	s.see(t, "size", "5 ok", number(n)+" "+errname(err))
	_, err = unix.Listxattr(path, make([]byte, 2))
	s.see(t, "list buffer too small", "ERANGE", errname(err))
	s.see(t, "name too long", "ERANGE", errname(unix.Setxattr(path, "user."+strings.Repeat("n", 251), nil, 0)))
	s.see(t, "longest name", "ok", errname(unix.Setxattr(path, "user."+strings.Repeat("n", 250), nil, 0)))
	s.see(t, "value too large", "E2BIG", errname(unix.Setxattr(path, "user.c", make([]byte, 65537), 0)))
	s.see(t, "largest value", "ok", errname(unix.Setxattr(path, "user.c", make([]byte, 65536), 0)))
	s.see(t, "largest value read", "65536", number(len(getxattr(path, "user.c"))))
	require.NoError(t, unix.Chmod(path, 0o400))
	s.see(t, "set on what is not writable", "EACCES", errname(unix.Setxattr(path, "user.d", nil, 0)))
}

func xattrSpaces(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	for _, name := range []string{"security.x", "trusted.x", "system.x", "nospace", "user."} {
		err := unix.Setxattr(path, name, []byte("v"), 0)
		want := map[string]string{"security.x": "EPERM", "trusted.x": "EPERM", "system.x": "EOPNOTSUPP",
			"nospace": "EOPNOTSUPP", "user.": "EINVAL"}[name]
		s.see(t, "set "+name, want, errname(err))
	}
	s.see(t, "get security.x", "ENODATA", getxattr(path, "security.x"))
	s.see(t, "get security.capability", "ENODATA", getxattr(path, "security.capability"))
	s.see(t, "list", "", listxattr(path))
}

// xattrKinds: user attributes are for files and directories (xattr(7)).
func xattrKinds(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	s.see(t, "directory", "ok", errname(unix.Setxattr(dir, "user.a", []byte("v"), 0)))
	s.see(t, "get of it", "v", getxattr(dir, "user.a"))
	require.NoError(t, unix.Mkfifo(s.path("p"), 0o600))
	s.see(t, "fifo", "EPERM", errname(unix.Setxattr(s.path("p"), "user.a", []byte("v"), 0)))
}

func timesOf(t testing.TB, path string) (atime, mtime, ctime time.Time) {
	t.Helper()
	st := lstat(t, path)
	return time.Unix(st.Atim.Unix()), time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix())
}

func timesSet(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	at := func(sec, nsec int64) unix.Timespec { return unix.Timespec{Sec: sec, Nsec: nsec} }
	set := func(atime, mtime unix.Timespec) string {
		return errname(unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{atime, mtime}, 0))
	}
	show := func() string {
		atime, mtime, _ := timesOf(t, path)
		return fmt.Sprint(atime.UnixNano(), " ", mtime.UnixNano())
	}
	s.see(t, "set", "ok", set(at(1, 2), at(1_700_000_000, 123_456_789)))
	s.see(t, "to the nanosecond", "1000000002 1700000000123456789", show())
	s.see(t, "omit one", "ok", set(at(0, unix.UTIME_OMIT), at(5, 6)))
	s.see(t, "one omitted", "1000000002 5000000006", show())
	s.see(t, "before 1970", "ok", set(at(-5, 0), at(-10, 999_999_999)))
	s.see(t, "negative", "-5000000000 -9000000001", show())
	s.see(t, "far", "ok", set(at(1<<33, 0), at(1<<33, 1)))
	s.see(t, "beyond 2106", "8589934592000000000 8589934592000000001", show())
	start := time.Now().Add(-time.Second)
	s.see(t, "now", "ok", set(at(0, unix.UTIME_NOW), at(0, unix.UTIME_NOW)))
	_, mtime, _ := timesOf(t, path)
	s.see(t, "is now", "yes", yes(mtime.After(start) && mtime.Before(time.Now().Add(time.Second))))
	s.see(t, "nonsense", "EINVAL", set(at(0, 2_000_000_000), at(0, 0)))
}

// changed says which of the times of path a step moves, as letters.
func changed(t testing.TB, path string, step func()) string {
	t.Helper()
	a1, m1, c1 := timesOf(t, path)
	time.Sleep(15 * time.Millisecond) // above the clock tick of coarse times
	step()
	a2, m2, c2 := timesOf(t, path)
	letters := ""
	for _, pair := range []struct {
		letter string
		moved  bool
	}{{"a", !a1.Equal(a2)}, {"m", !m1.Equal(m2)}, {"c", !c1.Equal(c2)}} {
		if pair.moved {
			letters += pair.letter
		}
	}
	return letters
}

func timesTouched(t *testing.T, s *subject) {
	path := s.put(t, "f", "abc")
	fd := open(t, path, unix.O_RDWR, 0)
	s.see(t, "write", "mc", changed(t, path, func() { require.Equal(t, "ok", pwrite(fd, "x", 0)) }))
	s.see(t, "truncate", "mc", changed(t, path, func() { require.NoError(t, unix.Ftruncate(fd, 1)) }))
	s.see(t, "truncate to the same size", "mc", changed(t, path, func() { require.NoError(t, unix.Ftruncate(fd, 1)) }))
	s.see(t, "xattr", "c", changed(t, path, func() { require.NoError(t, unix.Fsetxattr(fd, "user.a", nil, 0)) }))
	s.see(t, "chmod", "c", changed(t, path, func() { require.NoError(t, unix.Chmod(path, 0o400)) }))
	s.see(t, "link", "c", changed(t, path, func() { require.NoError(t, unix.Link(path, s.path("l"))) }))
	s.see(t, "unlink of the other name", "c", changed(t, path, func() { require.NoError(t, unix.Unlink(s.path("l"))) }))
	s.see(t, "stat", "", changed(t, path, func() { lstat(t, path) }))
	s.see(t, "open and close", "", changed(t, path, func() { require.NoError(t, tryOpen(path, unix.O_RDONLY, 0)) }))
	s.see(t, "setting times", "amc", changed(t, path, func() {
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 7}, {Sec: 8}}, 0))
	}))
}

func timesDirectory(t *testing.T, s *subject) {
	dir, elsewhere := s.mkdir(t, "d"), s.mkdir(t, "e")
	do := func(key string, step func() error) {
		s.see(t, key, "mc", changed(t, dir, func() { require.NoError(t, step()) }))
	}
	do("create", func() error { return tryOpen(dir+"/f", unix.O_CREAT|unix.O_WRONLY, 0o600) })
	do("link", func() error { return unix.Link(dir+"/f", dir+"/g") })
	do("unlink", func() error { return unix.Unlink(dir + "/g") })
	do("mkdir", func() error { return unix.Mkdir(dir+"/sub", 0o700) })
	do("rmdir", func() error { return unix.Rmdir(dir + "/sub") })
	do("rename within", func() error { return unix.Rename(dir+"/f", dir+"/h") })
	do("rename out", func() error { return unix.Rename(dir+"/h", elsewhere+"/h") })
	do("rename in", func() error { return unix.Rename(elsewhere+"/h", dir+"/h") })
	s.see(t, "write to a file inside", "", changed(t, dir, func() { require.NoError(t, os.WriteFile(dir+"/h", []byte("x"), 0o600)) }))
	s.see(t, "the file renamed", "c", changed(t, dir+"/h", func() {
		require.NoError(t, unix.Rename(dir+"/h", dir+"/i"))
		require.NoError(t, unix.Rename(dir+"/i", dir+"/h"))
	}))
}

// timesRead: under relatime a read moves an access time that is not later than
// the last change (mount(8)).
func timesRead(t *testing.T, s *subject) {
	path := s.put(t, "f", "abc")
	old := []unix.Timespec{{Sec: 7}, {Sec: 8}}
	require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, old, 0))
	s.see(t, "first read", "a", changed(t, path, func() { require.Equal(t, "abc", s.get("f")) }))
	s.see(t, "read again", "", changed(t, path, func() { require.Equal(t, "abc", s.get("f")) }))
	require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, old, 0))
	s.see(t, "read of what is cached", "a", changed(t, path, func() { require.Equal(t, "abc", s.get("f")) }))
}

func timesFresh(t *testing.T, s *subject) {
	start := time.Now().Add(-50 * time.Millisecond)
	for name, path := range map[string]string{"file": s.put(t, "f", "x"), "directory": s.mkdir(t, "d")} {
		atime, mtime, ctime := timesOf(t, path)
		end := time.Now().Add(50 * time.Millisecond)
		for _, at := range []time.Time{atime, mtime, ctime} {
			s.see(t, name+" is of now", "yes", yes(at.After(start) && at.Before(end)))
		}
	}
}

func statfsFields(t *testing.T, s *subject) {
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs(s.dir, &fs))
	s.see(t, "block size", "4096", number(fs.Bsize))
	s.see(t, "longest name", "255", number(fs.Namelen))
	if os.Getuid() == victim {
		s.see(t, "blocks", number(uint64(256<<20/4096)), number(fs.Blocks))
	}
	if os.Getuid() == victim && !passthroughByDefault() { // as many as the daemon may have descriptors
		s.see(t, "inodes", "20480", number(fs.Files))
	}
	s.see(t, "free is not more than all", "yes", yes(fs.Bfree <= fs.Blocks && fs.Bavail <= fs.Bfree && fs.Ffree <= fs.Files))
}

func statfsCounts(t *testing.T, s *subject) {
	before, err := hosttest.UsageOf(s.top)
	require.NoError(t, err)
	fd := open(t, s.put(t, "f", strings.Repeat("x", 1<<20)), unix.O_RDWR, 0)
	require.NoError(t, unix.Fsync(fd))
	used, err := hosttest.UsageOf(s.top)
	require.NoError(t, err)
	s.see(t, "one inode", "1", number(used.Inodes-before.Inodes))
	blocks := used.Blocks - before.Blocks
	s.see(t, "blocks, with little for the name", "yes", yes(blocks >= 256 && blocks <= 258))
	require.NoError(t, unix.Unlink(s.path("f")))
	used, err = hosttest.UsageOf(s.top)
	require.NoError(t, err)
	s.see(t, "unlinked but open still counts", "yes", yes(used.Blocks-before.Blocks >= 256))
	s.see(t, "as an inode too", "1", number(used.Inodes-before.Inodes))
	require.NoError(t, unix.Close(fd))
	hosttest.SettlesTo(t, s.top, before)
}

func namesLong(t *testing.T, s *subject) {
	longest, over := strings.Repeat("n", 255), strings.Repeat("n", 256)
	s.put(t, longest, "L")
	s.see(t, "255 bytes", "L", s.get(longest))
	s.see(t, "rename to 255 bytes", "ok", rename(s.path(longest), s.path(strings.Repeat("m", 255)), 0))
	for key, err := range map[string]error{
		"create 256": tryOpen(s.path(over), unix.O_CREAT|unix.O_WRONLY, 0o600),
		"mkdir 256":  unix.Mkdir(s.path(over), 0o700),
		"mknod 256":  unix.Mkfifo(s.path(over), 0o600),
		"stat 256":   unix.Access(s.path(over), unix.F_OK),
		"rename 256": unix.Rename(s.path(strings.Repeat("m", 255)), s.path(over)),
		"link 256":   unix.Link(s.path(strings.Repeat("m", 255)), s.path(over)),
	} {
		s.see(t, key, "ENAMETOOLONG", errname(err))
	}
	s.see(t, "path of 4096", "ENAMETOOLONG", errname(unix.Access(s.dir+strings.Repeat("/.", 2048), unix.F_OK)))
	multibyte := strings.Repeat("ä", 127) + "n" // 255 bytes
	s.put(t, multibyte, "M")
	s.see(t, "255 bytes of UTF-8", "M", s.get(multibyte))
}

// namesOrdinary are names that programs use and that stay allowed.
func namesOrdinary(t *testing.T, s *subject) {
	for _, name := range []string{"with space", "-dash", ".hidden", "...", "a:b", "ünïcödé", "日本", "a\\b", "$HOME", "*", "'\"`",
		"trailing ", "~", "#lock#", "a.b.c", "%2f", "\U0001f600"} {
		s.put(t, name, name)
		s.see(t, name, name, s.get(name))
		s.see(t, "unlink "+name, "ok", errname(unix.Unlink(s.path(name))))
	}
}

// namesOdd are names that only attacks and accidents use.
func namesOdd(t *testing.T, s *subject) {
	for _, name := range []string{"new\nline", "esc\x1b[2J", "del\x7f", "bell\x07", "\x01", "tab\t", "cr\r"} {
		s.see(t, fmt.Sprintf("create %q", name), "ok", errname(tryOpen(s.path(name), unix.O_CREAT|unix.O_WRONLY, 0o600)))
		s.see(t, fmt.Sprintf("there %q", name), "ok", exists(s.path(name)))
	}
	for _, name := range []string{"\xff", "half\xc3", "over\xc0\xaf", "surrogate\xed\xa0\x80"} {
		s.see(t, fmt.Sprintf("create %q", name), "ok", errname(unix.Mkdir(s.path(name), 0o700)))
		s.see(t, fmt.Sprintf("there %q", name), "ok", exists(s.path(name)))
	}
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	assert.NotNil(t, entries)
}
