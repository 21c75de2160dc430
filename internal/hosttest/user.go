package hosttest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Become turns the calling thread into uid, with its own group, these supplementary groups and no other, and with a
// umask and working directory of its own. Whoever is uid already keeps its groups. The thread is never unlocked: it
// ends with the caller's goroutine, which has to end soon.
func Become(uid int, groups ...int) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare working directory: %w", err)
	}
	if uid == os.Getuid() {
		return nil
	}
	// setresuid of the C library and of package syscall changes every thread; the raw call changes one.
	if err := setGroups(groups); err != nil {
		return err
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

// setGroups sets the supplementary groups of the calling thread.
func setGroups(groups []int) error {
	ids := make([]uint32, len(groups)+1) // one more: an address, even of none
	for i, group := range groups {
		ids[i] = uint32(group)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&ids[0])), 0)
	if errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	return nil
}

// As runs work on a thread of its own as uid, without supplementary groups, and returns its error.
func As(uid int, work func() error) error {
	result := make(chan error, 1)
	go func() {
		if err := Become(uid); err != nil {
			result <- err
			return
		}
		result <- work()
	}()
	return <-result
}

// Command prepares a program to run as uid, without supplementary groups unless it is the caller's, in a process group
// of its own.
func Command(uid int, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: Credential(uid)}
	return cmd
}

// Credential is what a process needs to run as uid: nil, nothing, for the caller's own.
func Credential(uid int) *syscall.Credential {
	if uid == os.Getuid() {
		return nil
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), Groups: []uint32{}}
}
