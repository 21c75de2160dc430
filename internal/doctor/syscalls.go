package doctor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// lockOnFault is mlock2(2), which package unix lacks.
func lockOnFault(memory []byte) error {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	_, _, errno := unix.Syscall(unix.SYS_MLOCK2, start, uintptr(len(memory)), unix.MLOCK_ONFAULT)
	if errno != 0 {
		return errno
	}
	return nil
}

// hasSysAdmin reports whether this process may mount where it is, capabilities(7).
func hasSysAdmin() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
