package suites

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setGroups is setgroups(2) for the calling thread only.
func setGroups(groups []uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	return nil
}
