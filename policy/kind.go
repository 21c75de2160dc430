package policy

import "syscall"

// Kind is the kind of a node. The zero Kind is none of them, and no request
// about it is allowed.
type Kind uint8

// The kinds of node of inode(7).
const (
	// KindRegular is a regular file.
	KindRegular Kind = iota + 1
	// KindDirectory is a directory.
	KindDirectory
	// KindSymlink is a symbolic link.
	KindSymlink
	// KindFIFO is a named pipe.
	KindFIFO
	// KindSocket is a Unix domain socket, made by bind(2).
	KindSocket
	// KindCharDevice is a character device, overlayfs whiteouts included.
	KindCharDevice
	// KindBlockDevice is a block device.
	KindBlockDevice
)

// KindOfMode returns the kind that the file type bits of an st_mode name, and
// whether they name one. No bits at all mean a regular file, as in mknod(2).
func KindOfMode(rawMode uint32) (Kind, bool) {
	switch rawMode & syscall.S_IFMT {
	case 0, syscall.S_IFREG:
		return KindRegular, true
	case syscall.S_IFDIR:
		return KindDirectory, true
	case syscall.S_IFLNK:
		return KindSymlink, true
	case syscall.S_IFIFO:
		return KindFIFO, true
	case syscall.S_IFSOCK:
		return KindSocket, true
	case syscall.S_IFCHR:
		return KindCharDevice, true
	case syscall.S_IFBLK:
		return KindBlockDevice, true
	}
	return 0, false
}

// String returns the kind in words, for messages.
func (k Kind) String() string {
	switch k {
	case KindRegular:
		return "regular file"
	case KindDirectory:
		return "directory"
	case KindSymlink:
		return "symbolic link"
	case KindFIFO:
		return "fifo"
	case KindSocket:
		return "socket"
	case KindCharDevice:
		return "character device"
	case KindBlockDevice:
		return "block device"
	}
	return "unknown kind"
}
