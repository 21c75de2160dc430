package harden

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// noNewPrivileges sets no_new_privs on every thread.
func noNewPrivileges() error {
	_, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	return errorOf(errno)
}

// Keep sets no_new_privs and leaves every thread no capability but those given, of which it keeps what it has. It is
// all that can be taken from a process whose work is privileged.
func Keep(capabilities ...int) error {
	if err := noNewPrivileges(); err != nil {
		return err
	}
	return keepCapabilities(capabilities)
}

// Has reports whether the calling thread has a capability in force.
func Has(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	return unix.Capget(&header, &has[0]) == nil && has[capability/32].Effective&(1<<(capability%32)) != 0
}

// keepCapabilities reduces the permitted and effective sets of every thread and empties the others; the ambient set
// follows the permitted one. The bounding set would matter to what is executed: with no_new_privs nothing gains a
// capability.
func keepCapabilities(capabilities []int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has, kept [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil {
		return err
	}
	for _, c := range capabilities {
		kept[c/32].Permitted |= has[c/32].Permitted & (1 << (c % 32))
	}
	for i := range kept {
		kept[i].Effective = kept[i].Permitted
	}
	header.Pid = 0
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&kept[0])), 0)
	runtime.KeepAlive(&kept)
	return errorOf(errno)
}

func errorOf(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
