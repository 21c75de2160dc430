//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// stormTime is how long each storm blows, stormEvery how often a signal comes.
const (
	stormTime  = time.Second
	stormEvery = 100 * time.Microsecond
)

// TestNoInterrupt: a process that takes a signal every 100 microseconds never
// sees EINTR from the filesystem, no short write, and no call done twice.
func TestNoInterrupt(t *testing.T) {
	limitTest(t, "size=64m", func(t *testing.T, s *subject) {
		for _, number := range []unix.Signal{unix.SIGALRM, unix.SIGURG} {
			for _, dir := range []string{s.dir, s.mkdir(t, fmt.Sprint("below", int(number)))} {
				cmd := helperCommand(user(), "storm", fmt.Sprint(int(number)), dir)
				out, err := boundedOutput(cmd, 10*stormTime)
				require.NoError(t, err, "%s", out)
				t.Logf("signal %d: %s", number, out)
			}
		}
	})
}

func init() { helpers["storm"] = stormMain }

// stormMain works in a folder while signals come. It fails at the first
// wrong answer.
func stormMain(args []string) error {
	var number int
	if _, err := fmt.Sscan(args[0], &number); err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := startStorm(syscall.Signal(number)); err != nil {
		return err
	}
	interrupted := 0
	rounds := 0
	for end := time.Now().Add(stormTime); time.Now().Before(end); rounds++ {
		if err := stormRound(args[1], rounds); err != nil {
			return fmt.Errorf("round %d: %w", rounds, err)
		}
		if unix.Nanosleep(&unix.Timespec{Nsec: int64(2 * stormEvery)}, nil) == unix.EINTR {
			interrupted++
		}
	}
	if interrupted < rounds/2 || rounds < 10 {
		return fmt.Errorf("no storm: %d of %d sleeps were interrupted", interrupted, rounds)
	}
	fmt.Printf("%d rounds, %d sleeps interrupted", rounds, interrupted)
	return nil
}

// startStorm sends number to this very thread at a fixed rate, with a handler
// that does not restart calls (signal(7)): whatever can be interrupted shows.
func startStorm(number syscall.Signal) error {
	signal.Notify(make(chan os.Signal, 1), number)
	var action struct {
		handler, flags, restorer, mask uintptr
	}
	at := uintptr(unsafe.Pointer(&action))
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(number), 0, at, 8, 0, 0); errno != 0 {
		return fmt.Errorf("read action: %w", errno)
	}
	const restart = 0x10000000 // SA_RESTART
	action.flags &^= restart
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(number), at, 0, 8, 0, 0); errno != 0 {
		return fmt.Errorf("set action: %w", errno)
	}
	event := struct { // struct sigevent with SIGEV_THREAD_ID
		value                  uintptr
		signal, notify, thread int32
		_                      [11]int32
	}{signal: int32(number), notify: 4, thread: int32(unix.Gettid())}
	var timer int32
	if _, _, errno := unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer))); errno != 0 {
		return fmt.Errorf("create timer: %w", errno)
	}
	every := unix.NsecToTimespec(stormEvery.Nanoseconds())
	interval := [2]unix.Timespec{every, every}
	if _, _, errno := unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(timer), 0,
		uintptr(unsafe.Pointer(&interval)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("set timer: %w", errno)
	}
	return nil
}

// stormRound makes one file and one directory, does with them what programs
// do, and removes them. Each step succeeds, and succeeds once.
func stormRound(dir string, round int) error {
	path := filepath.Join(dir, fmt.Sprint("storm", round))
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	var fs unix.Statfs_t
	for _, step := range []struct {
		name string
		work func() error
	}{
		{"write", func() error { return whole(unix.Pwrite(fd, stormData, 0)) }},
		{"fsync", func() error { return unix.Fsync(fd) }},
		{"drop the cache", func() error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) }},
		{"read", func() error { return whole(unix.Pread(fd, make([]byte, len(stormData)), 0)) }},
		{"fstat", func() error { return unix.Fstat(fd, &st) }},
		{"statfs", func() error { return unix.Fstatfs(fd, &fs) }},
		{"truncate", func() error { return unix.Ftruncate(fd, 5000) }},
		{"allocate", func() error { return unix.Fallocate(fd, 0, 0, 100_000) }},
		{"set attribute", func() error { return unix.Fsetxattr(fd, "user.a", []byte("v"), unix.XATTR_CREATE) }},
		{"get attribute", func() error { _, err := unix.Fgetxattr(fd, "user.a", make([]byte, 8)); return err }},
		{"chmod", func() error { return unix.Fchmod(fd, 0o400) }},
		{"times", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: 2}}, 0) }},
		{"link", func() error { return unix.Link(path, path+".link") }},
		{"rename", func() error {
			return unix.Renameat2(unix.AT_FDCWD, path+".link", unix.AT_FDCWD, path+".moved", unix.RENAME_NOREPLACE)
		}},
		{"unlink", func() error { return unix.Unlink(path + ".moved") }},
		{"fifo", func() error { return unix.Mkfifo(path+".fifo", 0o600) }},
		{"mkdir", func() error { return unix.Mkdir(path+".dir", 0o700) }},
		{"exchange", func() error {
			return unix.Renameat2(unix.AT_FDCWD, path+".fifo", unix.AT_FDCWD, path+".dir", unix.RENAME_EXCHANGE)
		}},
		{"list", func() error { return listBare(path + ".fifo") }},
		{"rmdir", func() error { return unix.Rmdir(path + ".fifo") }},
		{"unlink fifo", func() error { return unix.Unlink(path + ".dir") }},
		{"missing", func() error { return expectErrno(unix.Access(path+".none", unix.F_OK), unix.ENOENT) }},
		{"open again", func() error { return tryOpen(path, unix.O_RDONLY, 0) }},
		{"remove", func() error { return unix.Unlink(path) }},
		{"tmpfile", func() error { return tryOpen(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600) }},
	} {
		if err := step.work(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// stormData needs several requests to the daemon.
var stormData = []byte(strings.Repeat("storm", 100_000))

// whole turns a short transfer into an error.
func whole(n int, err error) error {
	if err == nil && n != len(stormData) {
		return fmt.Errorf("%d of %d bytes", n, len(stormData))
	}
	return err
}

func expectErrno(err, want error) error {
	if err != want {
		return fmt.Errorf("got %w, want %w", err, want)
	}
	return nil
}

// listBare lists by the bare system calls, which package os would repeat.
func listBare(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Getdents(fd, make([]byte, 1024))
		if err != nil || n == 0 {
			return err
		}
	}
}

// TestKillWhileWaiting: a process that is killed in the middle of requests
// ends at once, and the mount goes on.
func TestKillWhileWaiting(t *testing.T) {
	m := mountTest(t, options("size=64m"))
	for range 20 {
		cmd := helperCommand(m.owner, "storm", "14", m.dir)
		require.NoError(t, cmd.Start())
		time.Sleep(20 * time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		assert.Error(t, cmd.Wait())
	}
	inside(t, m.owner, func(t *testing.T) {
		empty(t, m.dir)
		assert.Equal(t, "ok", errname(os.WriteFile(m.dir+"/after", []byte("x"), 0o600)))
	})
}
