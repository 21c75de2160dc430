//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var _ = register(map[string]semantic{
	"open/errors":           openErrors,
	"open/exclusive":        openExclusive,
	"open/exclusive race":   openExclusiveRace,
	"open/truncate":         openTruncate,
	"open/truncate race":    openTruncateRace,
	"open/read-only create": openReadOnlyCreate,
	"open/path only":        openPathOnly,
	"open/directory":        openDirectory,
	"open/after rename":     openAfterRename,
	"open/unlinked":         openUnlinked,
	"open/reopen by fd":     openReopen,
	"open/tmpfile":          openTmpfile,
	"open/tmpfile linked":   openTmpfileLinked,
	"open/tmpfile excl":     openTmpfileExclusive,
	"open/access":           openAccess,
	"open/relative":         openRelative,
	"open/text busy":        openTextBusy,
})

func openErrors(t *testing.T, s *subject) {
	file, dir := s.put(t, "file", "x"), s.mkdir(t, "dir")
	for _, row := range []struct {
		path  string
		flags int
		want  string
	}{
		{s.path("none"), unix.O_RDONLY, "ENOENT"},
		{s.path("none", "deeper"), unix.O_RDONLY | unix.O_CREAT, "ENOENT"},
		{file + "/deeper", unix.O_RDONLY, "ENOTDIR"},
		{file + "/", unix.O_RDONLY, "ENOTDIR"},
		{file, unix.O_RDONLY | unix.O_DIRECTORY, "ENOTDIR"},
		{dir, unix.O_WRONLY, "EISDIR"},
		{dir, unix.O_RDONLY | unix.O_CREAT, "EISDIR"},
		{s.path("new") + "/", unix.O_WRONLY | unix.O_CREAT, "EISDIR"},
		{s.path("new"), unix.O_RDONLY | unix.O_CREAT | unix.O_DIRECTORY, "EINVAL"},
		{s.path(""), unix.O_RDONLY | unix.O_NOFOLLOW, "ok"},
	} {
		s.see(t, fmt.Sprintf("open %q flags %#x", row.path[len(s.dir):], row.flags),
			row.want, errname(tryOpen(row.path, row.flags, 0o600)))
	}
	s.see(t, "none was made", "ENOENT", exists(s.path("new")))
}

func openExclusive(t *testing.T, s *subject) {
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_RDWR
	s.see(t, "first", "ok", errname(tryOpen(s.path("f"), flags, 0o600)))
	s.see(t, "second", "EEXIST", errname(tryOpen(s.path("f"), flags, 0o600)))
	s.see(t, "over a directory", "EEXIST", errname(tryOpen(s.mkdir(t, "d"), flags, 0o600)))
	require.NoError(t, unix.Unlink(s.path("f")))
	s.see(t, "after unlink", "ok", errname(tryOpen(s.path("f"), flags, 0o600)))
}

// openExclusiveRace has eight threads want the same names; each name has one
// winner, as lock files need.
func openExclusiveRace(t *testing.T, s *subject) {
	const names, threads = 50, 8
	var won, lost atomic.Int64
	var wait sync.WaitGroup
	for range threads {
		wait.Go(func() {
			assert.NoError(t, as(user(), func() error {
				for i := range names {
					err := tryOpen(s.path(fmt.Sprint("lock", i)), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
					if err == nil {
						won.Add(1)
					} else if err == unix.EEXIST {
						lost.Add(1)
					} else {
						return err
					}
				}
				return nil
			}))
		})
	}
	wait.Wait()
	s.see(t, "winners", number(names), number(won.Load()))
	s.see(t, "losers", number(names*(threads-1)), number(lost.Load()))
}

func openTruncate(t *testing.T, s *subject) {
	path := s.put(t, "f", "something long")
	require.NoError(t, tryOpen(path, unix.O_WRONLY|unix.O_TRUNC, 0))
	s.see(t, "size", "0", number(lstat(t, path).Size))
	s.see(t, "blocks", "0", number(lstat(t, path).Blocks))
	s.put(t, "f", "new")
	s.see(t, "content", "new", s.get("f"))
}

// openTruncateRace: where some append and others open with O_TRUNC, the file is
// whole records, without a gap before or between them.
func openTruncateRace(t *testing.T, s *subject) {
	const threads, rounds, size = 4, 10, 5000
	for range 10 {
		path := s.put(t, "log", "")
		var wait sync.WaitGroup
		for w := range threads {
			wait.Go(func() {
				record := strings.Repeat(fmt.Sprint(w), size)
				assert.NoError(t, as(user(), func() error {
					for round := range rounds {
						if err := appendRecord(path, record, (round+w)%4 == 0); err != nil {
							return err
						}
					}
					return nil
				}))
			})
		}
		wait.Wait()
		content := s.get("log")
		require.NotEmpty(t, content)
		for ; content != ""; content = content[min(size, len(content)):] {
			require.True(t, strings.HasPrefix(content, strings.Repeat(content[:1], size)) && content[0] >= '0', "a whole record, %d bytes before the end", len(content))
		}
	}
	s.see(t, "whole", "yes", "yes")
}

// appendRecord appends to a file, which it may empty before.
func appendRecord(path, record string, empty bool) error {
	flags := unix.O_WRONLY | unix.O_APPEND | unix.O_CLOEXEC
	if empty {
		flags |= unix.O_TRUNC
	}
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		return err
	}
	n, err := unix.Write(fd, []byte(record))
	if err == nil && n != len(record) {
		err = fmt.Errorf("%d bytes appended", n)
	}
	return errors.Join(err, unix.Close(fd))
}

// openReadOnlyCreate: the descriptor that creates a file may write to it,
// whatever its mode says to later ones (open(2), O_CREAT).
func openReadOnlyCreate(t *testing.T, s *subject) {
	fd := open(t, s.path("f"), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o400)
	s.see(t, "write by the creating descriptor", "ok", pwrite(fd, "abc", 0))
	s.see(t, "later open for writing", "EACCES", errname(tryOpen(s.path("f"), unix.O_WRONLY, 0)))
	s.see(t, "content", "abc", s.get("f"))
	locked := open(t, s.path("g"), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0)
	s.see(t, "write under mode 0", "ok", pwrite(locked, "abc", 0))
	s.see(t, "later open for reading", "EACCES", errname(tryOpen(s.path("g"), unix.O_RDONLY, 0)))
}

func openPathOnly(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", "abc"), unix.O_PATH, 0)
	s.see(t, "size", "3", number(fstat(t, fd).Size))
	s.see(t, "read", "EBADF", pread(fd, 3, 0))
	reopened := open(t, fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY, 0)
	s.see(t, "reopened", "abc", pread(reopened, 3, 0))
}

func openDirectory(t *testing.T, s *subject) {
	fd := open(t, s.mkdir(t, "d"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	s.see(t, "read", "EISDIR", pread(fd, 1, 0))
	s.see(t, "write", "EBADF", pwrite(fd, "x", 0))
	s.see(t, "fsync", "ok", errname(unix.Fsync(fd)))
	s.see(t, "truncate", "EISDIR", errname(unix.Truncate(s.path("d"), 0)))
}

func openAfterRename(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "old", "abc"), unix.O_RDWR, 0)
	require.NoError(t, unix.Rename(s.path("old"), s.path("new")))
	s.see(t, "read", "abc", pread(fd, 3, 0))
	s.see(t, "write", "ok", pwrite(fd, "xyz", 0))
	s.see(t, "by the new name", "xyz", s.get("new"))
	s.see(t, "by the old name", "ENOENT", s.get("old"))
	s.see(t, "same file", "yes", yes(fstat(t, fd).Ino == lstat(t, s.path("new")).Ino))
}

func openUnlinked(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", "abc"), unix.O_RDWR, 0)
	require.NoError(t, unix.Unlink(s.path("f")))
	s.see(t, "links", "0", number(fstat(t, fd).Nlink))
	s.see(t, "read", "abc", pread(fd, 3, 0))
	s.see(t, "write far", "ok", pwrite(fd, "far", 100_000))
	s.see(t, "size", "100003", number(fstat(t, fd).Size))
	s.see(t, "truncate", "ok", errname(unix.Ftruncate(fd, 1)))
	s.see(t, "read again", "a", pread(fd, 3, 0))
	s.see(t, "chmod", "ok", errname(unix.Fchmod(fd, 0o400)))
	s.see(t, "mode", "0400", octal(fstat(t, fd).Mode))
	s.put(t, "f", "another")
	s.see(t, "a new file of that name is another", "a", pread(fd, 3, 0))
}

func openReopen(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", "abc"), unix.O_RDWR, 0)
	require.NoError(t, unix.Unlink(s.path("f")))
	again := open(t, fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR, 0)
	s.see(t, "read", "abc", pread(again, 3, 0))
	s.see(t, "write", "ok", pwrite(again, "xyz", 0))
	s.see(t, "seen by the first", "xyz", pread(fd, 3, 0))
	s.see(t, "truncating open", "ok",
		errname(tryOpen(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_TRUNC, 0)))
	s.see(t, "size", "0", number(fstat(t, fd).Size))
}

func openTmpfile(t *testing.T, s *subject) {
	before := listing(t, s.dir)
	fd := open(t, s.dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	s.see(t, "links", "0", number(fstat(t, fd).Nlink))
	s.see(t, "mode", "0600", octal(fstat(t, fd).Mode))
	s.see(t, "not listed", before, listing(t, s.dir))
	s.see(t, "write", "ok", pwrite(fd, "abc", 5000))
	s.see(t, "read", "abc", pread(fd, 100, 5000))
	s.see(t, "size", "5003", number(fstat(t, fd).Size))
	s.see(t, "read only", "EINVAL", errname(tryOpen(s.dir, unix.O_TMPFILE|unix.O_RDONLY, 0o600)))
	s.see(t, "in a file", "ENOTDIR", errname(tryOpen(s.put(t, "f", ""), unix.O_TMPFILE|unix.O_RDWR, 0o600)))
}

func openTmpfileLinked(t *testing.T, s *subject) {
	fd := open(t, s.dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	require.Equal(t, "ok", pwrite(fd, "abc", 0))
	from := fmt.Sprintf("/proc/self/fd/%d", fd)
	s.see(t, "link", "ok", errname(unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, s.path("f"), unix.AT_SYMLINK_FOLLOW)))
	s.see(t, "links", "1", number(fstat(t, fd).Nlink))
	s.see(t, "content", "abc", s.get("f"))
	s.see(t, "second link to a used name", "EEXIST",
		errname(unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, s.path("f"), unix.AT_SYMLINK_FOLLOW)))
	dir := s.mkdir(t, "dir")
	deep := open(t, dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	s.see(t, "out of a directory", "ok", errname(unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", deep),
		unix.AT_FDCWD, s.path("g"), unix.AT_SYMLINK_FOLLOW)))
	s.see(t, "there", "ok", exists(s.path("g")))
}

// openTmpfileExclusive: O_EXCL with O_TMPFILE forbids a later name (open(2)).
func openTmpfileExclusive(t *testing.T, s *subject) {
	fd := open(t, s.dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL, 0o600)
	s.see(t, "link", "ENOENT", errname(unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd),
		unix.AT_FDCWD, s.path("f"), unix.AT_SYMLINK_FOLLOW)))
}

func openAccess(t *testing.T, s *subject) {
	path := s.put(t, "f", "abc")
	for _, row := range []struct {
		mode             uint32
		read, write, run string
	}{
		{0o600, "ok", "ok", "EACCES"},
		{0o400, "ok", "EACCES", "EACCES"},
		{0o200, "EACCES", "ok", "EACCES"},
		{0o500, "ok", "EACCES", "ok"},
		{0, "EACCES", "EACCES", "EACCES"},
	} {
		require.NoError(t, unix.Chmod(path, row.mode))
		s.see(t, "read "+octal(row.mode), row.read, errname(unix.Access(path, unix.R_OK)))
		s.see(t, "write "+octal(row.mode), row.write, errname(unix.Access(path, unix.W_OK)))
		s.see(t, "run "+octal(row.mode), row.run, errname(unix.Access(path, unix.X_OK)))
	}
	dir := s.mkdir(t, "d")
	require.NoError(t, os.WriteFile(dir+"/f", nil, 0o600))
	require.NoError(t, unix.Chmod(dir, 0o600))
	s.see(t, "through a directory without x", "EACCES", exists(dir+"/f"))
	require.NoError(t, unix.Chmod(dir, 0o300))
	s.see(t, "list without r", "EACCES", errname(tryOpen(dir, unix.O_RDONLY, 0)))
	s.see(t, "by name without r", "ok", exists(dir+"/f"))
	require.NoError(t, unix.Chmod(dir, 0o500))
	s.see(t, "unlink without w", "EACCES", errname(unix.Unlink(dir+"/f")))
	s.see(t, "create without w", "EACCES", errname(tryOpen(dir+"/g", unix.O_CREAT|unix.O_WRONLY, 0o600)))
}

// openRelative walks with a working directory and with directory descriptors,
// across a rename of the directory.
func openRelative(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	require.NoError(t, os.WriteFile(dir+"/f", []byte("abc"), 0o600))
	fd := open(t, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	require.NoError(t, unix.Chdir(dir))
	t.Cleanup(func() { assert.NoError(t, unix.Chdir("/")) })
	require.NoError(t, unix.Rename(dir, s.path("moved")))
	var st unix.Stat_t
	s.see(t, "by the working directory", "ok", errname(unix.Lstat("f", &st)))
	s.see(t, "by descriptor", "ok", errname(unix.Fstatat(fd, "f", &st, 0)))
	s.see(t, "parent", "yes", yes(lstat(t, "..").Ino == lstat(t, s.dir).Ino))
	where, err := unix.Getwd()
	require.NoError(t, err)
	s.see(t, "getcwd", s.path("moved"), where)
	s.see(t, "mkdirat", "ok", errname(unix.Mkdirat(fd, "sub", 0o700)))
	s.see(t, "unlinkat", "ok", errname(unix.Unlinkat(fd, "f", 0)))
	s.see(t, "gone", "ENOENT", exists(s.path("moved", "f")))
}

// openTextBusy: a program that runs cannot be written to.
func openTextBusy(t *testing.T, s *subject) {
	program, err := os.ReadFile(needProgram(t, "sleep"))
	require.NoError(t, err)
	path := s.path("sleep")
	require.NoError(t, os.WriteFile(path, program, 0o700))
	cmd := command(user(), path, "60")
	require.NoError(t, cmd.Start())
	s.see(t, "write while it runs", "ETXTBSY", errname(tryOpen(path, unix.O_WRONLY, 0)))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	s.see(t, "write afterwards", "ok", errname(tryOpen(path, unix.O_WRONLY, 0)))
}
