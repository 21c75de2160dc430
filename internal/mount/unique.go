package mount

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel gives the id and the device of a mount to another as soon as it is gone. Since Linux 6.8 a mount has an id
// beside that is never used again, which statmount(2) and listmount(2) tell without a look into the mount.

// mountRequest is struct mnt_id_req of include/uapi/linux/mount.h.
type mountRequest struct {
	size, _   uint32
	id, param uint64
}

// mountStatus is struct statmount of the same file.
type mountStatus struct {
	size, _      uint32
	mask         uint64
	major, minor uint32
	_            [2]uint64
	unique, _    uint64
	id, _        uint32
	_            [56]uint64
}

// Values of the same file.
const (
	basicOfFilesystem = 1              // STATMOUNT_SB_BASIC
	basicOfMount      = 2              // STATMOUNT_MNT_BASIC
	allMounts         = ^uint64(0)     // LSMT_ROOT
	requestSize       = uint32(3 << 3) // MNT_ID_REQ_SIZE_VER0
)

// Gone reports that the mount is certainly not in this namespace any more: if it is false, nobody else has its numbers,
// or the kernel knows no other.
func (e Entry) Gone() bool {
	if e.Unique == 0 {
		return false
	}
	_, err := statMount(e.Unique)
	return errors.Is(err, unix.ENOENT)
}

// uniqueOf looks for the id that is never used again, 0 if the kernel does not tell. Late mounts are looked at first.
func uniqueOf(e Entry) uint64 {
	all := listMounts()
	for i := len(all) - 1; i >= 0; i-- {
		s, err := statMount(all[i])
		if err == nil && int(s.id) == e.ID && e.Device == (Device{s.major, s.minor}) {
			return all[i]
		}
	}
	return 0
}

func statMount(unique uint64) (s mountStatus, err error) {
	r := mountRequest{size: requestSize, id: unique, param: basicOfFilesystem | basicOfMount}
	_, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&s)), unsafe.Sizeof(s), 0, 0, 0)
	if errno != 0 {
		return s, errno
	}
	return s, nil
}

// listMounts lists the mounts of this namespace in the order in which they were made, none if the kernel does not tell.
func listMounts() (all []uint64) {
	r := mountRequest{size: requestSize, id: allMounts}
	for {
		var some [256]uint64
		n, _, errno := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&some)), uintptr(len(some)), 0, 0, 0)
		if errno != 0 || n == 0 {
			return all
		}
		all = append(all, some[:n]...)
		r.param = some[n-1]
	}
}
