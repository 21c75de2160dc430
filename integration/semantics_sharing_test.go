//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var _ = register(map[string]semantic{
	"kinds/fifo":        kindsFIFO,
	"kinds/socket":      kindsSocket,
	"kinds/devices":     kindsDevices,
	"locks/flock":       locksFlock,
	"locks/posix":       locksPosix,
	"locks/description": locksDescription,
	"mmap/shared":       mmapShared,
	"mmap/private":      mmapPrivate,
	"mmap/beyond":       mmapBeyond,
	"mmap/processes":    mmapProcesses,
	"notify/names":      notifyNames,
	"exec/program":      execProgram,
})

func kindsFIFO(t *testing.T, s *subject) {
	path := s.path("p")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	s.see(t, "again", "EEXIST", errname(unix.Mkfifo(path, 0o600)))
	s.see(t, "write without a reader", "ENXIO", errname(tryOpen(path, unix.O_WRONLY|unix.O_NONBLOCK, 0)))
	reader := open(t, path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	writer := open(t, path, unix.O_WRONLY, 0)
	_, err := unix.Write(writer, []byte("through"))
	require.NoError(t, err)
	data := make([]byte, 100)
	n, err := unix.Read(reader, data)
	require.NoError(t, err)
	s.see(t, "read", "through", string(data[:n]))
	s.see(t, "size", "0", number(lstat(t, path).Size))
	require.NoError(t, unix.Unlink(path))
	_, err = unix.Write(writer, []byte("on"))
	s.see(t, "open ends outlive unlink", "ok", errname(err))
}

func unixSocket(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func kindsSocket(t *testing.T, s *subject) {
	path := s.path("sock")
	listener := unixSocket(t)
	s.see(t, "bind", "ok", errname(unix.Bind(listener, &unix.SockaddrUnix{Name: path})))
	s.see(t, "not listening", "ECONNREFUSED", errname(unix.Connect(unixSocket(t), &unix.SockaddrUnix{Name: path})))
	require.NoError(t, unix.Listen(listener, 1))
	client := unixSocket(t)
	s.see(t, "connect", "ok", errname(unix.Connect(client, &unix.SockaddrUnix{Name: path})))
	s.see(t, "bind again", "EADDRINUSE", errname(unix.Bind(unixSocket(t), &unix.SockaddrUnix{Name: path})))
	s.see(t, "is a socket", "yes", yes(lstat(t, path).Mode&unix.S_IFMT == unix.S_IFSOCK))
	s.see(t, "open", "ENXIO", errname(tryOpen(path, unix.O_RDWR, 0)))
	s.see(t, "rename", "ok", rename(path, s.path("moved"), 0))
	s.see(t, "connect by the new name", "ok", errname(unix.Connect(unixSocket(t), &unix.SockaddrUnix{Name: s.path("moved")})))
	require.NoError(t, unix.Unlink(s.path("moved")))
	s.see(t, "connect after unlink", "ENOENT", errname(unix.Connect(unixSocket(t), &unix.SockaddrUnix{Name: s.path("moved")})))
	s.see(t, "connect to a file", "ECONNREFUSED", errname(unix.Connect(unixSocket(t), &unix.SockaddrUnix{Name: s.put(t, "f", "")})))
}

func kindsDevices(t *testing.T, s *subject) {
	s.see(t, "character", "EPERM", errname(unix.Mknod(s.path("c"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))))
	s.see(t, "block", "EPERM", errname(unix.Mknod(s.path("b"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0)))))
	s.see(t, "whiteout", "ok", errname(unix.Mknod(s.path("w"), unix.S_IFCHR, 0)))
	s.see(t, "no kind is a file", "ok", errname(unix.Mknod(s.path("f"), 0o600, 0)))
	s.see(t, "directory by mknod", "EPERM", errname(unix.Mknod(s.path("d"), unix.S_IFDIR|0o700, 0)))
}

func locksFlock(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	first, second := open(t, path, unix.O_RDWR, 0), open(t, path, unix.O_RDWR, 0)
	s.see(t, "exclusive", "ok", errname(unix.Flock(first, unix.LOCK_EX|unix.LOCK_NB)))
	s.see(t, "second", "EAGAIN", errname(unix.Flock(second, unix.LOCK_SH|unix.LOCK_NB)))
	s.see(t, "to shared", "ok", errname(unix.Flock(first, unix.LOCK_SH|unix.LOCK_NB)))
	s.see(t, "both shared", "ok", errname(unix.Flock(second, unix.LOCK_SH|unix.LOCK_NB)))
	s.see(t, "no upgrade meanwhile", "EAGAIN", errname(unix.Flock(first, unix.LOCK_EX|unix.LOCK_NB)))
	s.see(t, "unlock", "ok", errname(unix.Flock(second, unix.LOCK_UN)))
	s.see(t, "upgrade", "ok", errname(unix.Flock(first, unix.LOCK_EX|unix.LOCK_NB)))
	require.NoError(t, unix.Close(first))
	s.see(t, "freed by close", "ok", errname(unix.Flock(second, unix.LOCK_EX|unix.LOCK_NB)))
}

// lockPartner takes fcntl locks as another process: to the kernel the threads
// of one process are one owner.
func init() {
	helpers["locker"] = func(args []string) error {
		fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return serve(func(line string) string {
			var kind int16
			var start, length int64
			if _, err := fmt.Sscan(line, &kind, &start, &length); err != nil {
				return err.Error()
			}
			return errname(setLock(fd, unix.F_SETLK, kind, start, length))
		})
	}
}

func setLock(fd, command int, kind int16, start, length int64) error {
	return unix.FcntlFlock(uintptr(fd), command, &unix.Flock_t{Type: kind, Start: start, Len: length})
}

func locksPosix(t *testing.T, s *subject) {
	path := s.put(t, "f", "0123456789")
	partner := startPartner(t, user(), "locker", path)
	fd := open(t, path, unix.O_RDWR, 0)
	s.see(t, "first half", "ok", errname(setLock(fd, unix.F_SETLK, unix.F_WRLCK, 0, 5)))
	s.see(t, "partner, overlapping", "EAGAIN", partner.ask(t, fmt.Sprint(unix.F_RDLCK, 4, 2)))
	s.see(t, "partner, second half", "ok", partner.ask(t, fmt.Sprint(unix.F_WRLCK, 5, 5)))
	s.see(t, "taken by the partner", "EAGAIN", errname(setLock(fd, unix.F_SETLK, unix.F_WRLCK, 0, 10)))
	probe := unix.Flock_t{Type: unix.F_WRLCK, Start: 5, Len: 1}
	require.NoError(t, unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &probe))
	s.see(t, "whose lock", number(partner.cmd.Process.Pid), number(probe.Pid))
	s.see(t, "partner unlocks", "ok", partner.ask(t, fmt.Sprint(unix.F_UNLCK, 5, 5)))
	s.see(t, "all", "ok", errname(setLock(fd, unix.F_SETLK, unix.F_WRLCK, 0, 0)))
	require.NoError(t, unix.Close(open(t, path, unix.O_RDONLY, 0)))
	s.see(t, "any close frees", "ok", partner.ask(t, fmt.Sprint(unix.F_WRLCK, 0, 0)))
}

// locksDescription are the locks of open file descriptions (fcntl(2)).
func locksDescription(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	first, second := open(t, path, unix.O_RDWR, 0), open(t, path, unix.O_RDWR, 0)
	s.see(t, "exclusive", "ok", errname(setLock(first, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0)))
	s.see(t, "second", "EAGAIN", errname(setLock(second, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0)))
	require.NoError(t, unix.Close(first))
	s.see(t, "freed by close", "ok", errname(setLock(second, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0)))
}

func mapFile(t testing.TB, fd, size, flags int) []byte {
	t.Helper()
	data, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Munmap(data) })
	return data
}

func mmapShared(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", strings.Repeat("x", 8192)), unix.O_RDWR, 0)
	data := mapFile(t, fd, 8192, unix.MAP_SHARED)
	copy(data[4094:], "mapped")
	s.see(t, "read sees the mapping", "xxmappedxx", pread(fd, 10, 4092))
	s.see(t, "write", "ok", pwrite(fd, "written", 100))
	s.see(t, "mapping sees the write", "xwrittenx", string(data[99:108]))
	s.see(t, "msync", "ok", errname(unix.Msync(data, unix.MS_SYNC)))
	require.NoError(t, unix.Munmap(data))
	s.see(t, "file afterwards", "mapped", s.get("f")[4094:4100])
}

func mmapPrivate(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", strings.Repeat("x", 4096)), unix.O_RDONLY, 0)
	data := mapFile(t, fd, 4096, unix.MAP_PRIVATE)
	copy(data, "mine")
	s.see(t, "own view", "minex", string(data[:5]))
	s.see(t, "file untouched", "xxxxx", pread(fd, 5, 0))
}

// faults says whether reading data at off raises SIGBUS.
func faults(data []byte, off int) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { fault = recover() != nil }()
	return data[off] == 255
}

func mmapBeyond(t *testing.T, s *subject) {
	fd := open(t, s.put(t, "f", strings.Repeat("x", 10_000)), unix.O_RDWR, 0)
	data := mapFile(t, fd, 16384, unix.MAP_SHARED)
	s.see(t, "in the last page, beyond the end", "0", fmt.Sprint(data[10_001]))
	s.see(t, "beyond the last page", "yes", yes(faults(data, 12_288)))
	s.see(t, "shorter", "ok", errname(unix.Ftruncate(fd, 100)))
	s.see(t, "cut page", "yes", yes(faults(data, 4096)))
	s.see(t, "rest of the first page", "0", fmt.Sprint(data[101]))
	s.see(t, "longer", "ok", errname(unix.Ftruncate(fd, 10_000)))
	s.see(t, "zero there", "no", yes(faults(data, 4096)))
	s.see(t, "as content", "0", fmt.Sprint(data[4096]))
}

// A mapper changes one byte of a mapping when asked to and says what it sees.
func init() {
	helpers["mapper"] = func(args []string) error {
		fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		data, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		return serve(func(line string) string {
			saw := string(data[:4])
			copy(data, line)
			return saw
		})
	}
}

func mmapProcesses(t *testing.T, s *subject) {
	path := s.put(t, "f", "zero"+strings.Repeat("\x00", 4092))
	partner := startPartner(t, user(), "mapper", path)
	data := mapFile(t, open(t, path, unix.O_RDWR, 0), 4096, unix.MAP_SHARED)
	s.see(t, "partner sees", "zero", partner.ask(t, "one!"))
	s.see(t, "partner's change", "one!", string(data[:4]))
	copy(data, "two!")
	s.see(t, "own change", "two!", partner.ask(t, "done"))
	require.NoError(t, unix.Unlink(path))
	copy(data, "last")
	s.see(t, "after unlink", "last", partner.ask(t, "end!"))
	s.see(t, "partner's last change", "end!", string(data[:4]))
}

// notifyNames reads the names that inotify reports for what is created.
func notifyNames(t *testing.T, s *subject) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	require.NoError(t, err)
	defer unix.Close(fd)
	_, err = unix.InotifyAddWatch(fd, s.dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_TO)
	require.NoError(t, err)
	s.put(t, "made", "")
	require.NoError(t, unix.Rename(s.path("made"), s.path("moved")))
	require.NoError(t, unix.Unlink(s.path("moved")))
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	require.NoError(t, err)
	var names []string
	for at := 0; at < n; {
		length := int(buf[at+12]) // low byte of the length of the name
		name, _, _ := strings.Cut(string(buf[at+16:at+16+length]), "\x00")
		names = append(names, name)
		at += 16 + length
	}
	s.see(t, "events", "made moved moved", strings.Join(names, " "))
}

func execProgram(t *testing.T, s *subject) {
	program, err := os.ReadFile(needProgram(t, "echo"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path("echo"), program, 0o700))
	out, err := boundedOutput(command(user(), s.path("echo"), "ran"), 10*time.Second)
	s.see(t, "binary", "ran\n ok", string(out)+" "+errname(err))
	require.NoError(t, os.WriteFile(s.path("script"), []byte("#!/bin/sh\necho $(basename $0)\n"), 0o700))
	out, err = boundedOutput(command(user(), s.path("script")), 10*time.Second)
	s.see(t, "script", "script\n ok", string(out)+" "+errname(err))
	require.NoError(t, unix.Chmod(s.path("echo"), 0o600))
	err = command(user(), s.path("echo")).Run()
	s.see(t, "without x", "EACCES", errname(err))
	assert.Equal(t, s.dir, filepath.Dir(s.path("echo")))
}
