//go:build linux

package integration

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// open opens a path for the rest of the test. It uses the bare system call:
// package os repeats a call that answers EINTR, which would hide a defect.
func open(t testing.TB, path string, flags int, mode uint32) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
	require.NoError(t, err, "open")
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// tryOpen opens and closes at once, for the errno.
func tryOpen(path string, flags int, mode uint32) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// put writes a file below the subject's folder and returns its path.
func (s *subject) put(t testing.TB, name, content string) string {
	t.Helper()
	path := s.path(name)
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	require.NoError(t, err, "open")
	n, err := unix.Write(fd, []byte(content))
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	require.Equal(t, len(content), n)
	return path
}

// get reads a file below the subject's folder, or names the errno.
func (s *subject) get(name string) string {
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		return errname(err)
	}
	return string(data)
}

// mkdir makes a directory below the subject's folder and returns its path.
func (s *subject) mkdir(t testing.TB, name string) string {
	t.Helper()
	require.NoError(t, unix.Mkdir(s.path(name), 0o700))
	return s.path(name)
}

func lstat(t testing.TB, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Lstat(path, &st))
	return st
}

func fstat(t testing.TB, fd int) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(fd, &st))
	return st
}

// exists names the errno of a stat, "ok" if there is something.
func exists(path string) string {
	var st unix.Stat_t
	return errname(unix.Lstat(path, &st))
}

// perms is the mode of a path as chmod takes it.
func perms(t testing.TB, path string) string {
	t.Helper()
	return octal(lstat(t, path).Mode)
}

func octal(mode uint32) string { return fmt.Sprintf("%04o", mode&0o7777) }

// number prints an integer, since see compares text.
func number[T ~int | ~int32 | ~int64 | ~uint32 | ~uint64](n T) string { return fmt.Sprint(n) }

// yes prints a truth.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// listing is the sorted content of a directory, with assigned names replaced
// by what is known of them: their form.
func listing(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, formOf(entry.Name()))
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}

// formOf replaces an assigned name by a word.
func formOf(name string) string {
	if assignedName.MatchString(name) {
		return "<assigned>"
	}
	return name
}

// pread reads n bytes at off, or names the errno.
func pread(fd, n int, off int64) string {
	data := make([]byte, n)
	got, err := unix.Pread(fd, data, off)
	if err != nil {
		return errname(err)
	}
	return string(data[:got])
}

// pwrite writes and names the errno; a short write is one of its own.
func pwrite(fd int, content string, off int64) string {
	n, err := unix.Pwrite(fd, []byte(content), off)
	if err == nil && n != len(content) {
		return fmt.Sprintf("%d of %d bytes", n, len(content))
	}
	return errname(err)
}
