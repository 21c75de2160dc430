//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The users that tests act as. No account has to exist: ids are enough.
const (
	root   = 0
	victim = 1000
	other  = 1001
)

// user is who an ordinary test acts as: an ordinary user when the tests run
// as root, else whoever runs them.
func user() int {
	if os.Getuid() == root {
		return victim
	}
	return os.Getuid()
}

// become turns the calling test's thread into uid, with no group but its own
// and a umask and working directory of its own. The thread is never unlocked:
// it ends with the test's goroutine. Cleanups of the same test run as uid too.
func become(t testing.TB, uid int) {
	t.Helper()
	require.NoError(t, becomeThread(uid), "become uid %d", uid)
}

// becomeThread is become without a test. Precondition: the caller's goroutine
// ends soon, since the thread cannot be given back.
func becomeThread(uid int) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare working directory: %w", err)
	}
	if uid == os.Getuid() {
		return nil
	}
	// setresuid of the C library and of package syscall changes every thread;
	// the raw call changes one (setresuid(2), "C library/kernel differences").
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	id := uintptr(uid)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, id, id, id); errno != 0 {
		return fmt.Errorf("setresgid: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); errno != 0 {
		return fmt.Errorf("setresuid: %w", errno)
	}
	return nil
}

// as runs work on a thread of its own as uid and returns its error.
func as(uid int, work func() error) error {
	result := make(chan error, 1)
	go func() {
		if err := becomeThread(uid); err != nil {
			result <- err
			return
		}
		result <- work()
	}()
	return <-result
}

// command prepares a program to run as uid in a process group of its own.
func command(uid int, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != os.Getuid() {
		id := uint32(uid)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id, Groups: []uint32{}}
	}
	return cmd
}

// inCI says that nothing may be skipped for want of something.
func inCI() bool { return os.Getenv("CI") == "true" }

// missing skips the test with its reason, or fails it in CI.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if inCI() {
		t.Fatalf("CI may not skip: "+format, args...)
	}
	t.Skipf(format, args...)
}

// needRoot is for tests that act as several users.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != root {
		missing(t, "needs root to act as several users")
	}
}

// needProgram returns where name is.
func needProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "%s is not installed", name)
	}
	return path
}

// needSafetmp skips when only the oracle was asked for.
func needSafetmp(t testing.TB) {
	t.Helper()
	if *oracleOnly {
		t.Skip("-oracle: tmpfs only")
	}
}
