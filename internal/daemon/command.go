package daemon

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// commandOf is the name of a process as the kernel knows it (comm, at most 15
// bytes; proc_pid_comm(5)), empty if the process is gone or in a pid namespace
// that the daemon cannot see. It is called for every entry of a naming root, so
// it makes three system calls and no more.
func commandOf(pid uint32) string {
	if pid == 0 {
		return ""
	}
	fd, err := unix.Open("/proc/"+strconv.FormatUint(uint64(pid), 10)+"/comm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var comm [32]byte
	n, err := unix.Read(fd, comm[:])
	if err != nil || n < 0 {
		return ""
	}
	return string(bytes.TrimRight(comm[:n], "\n"))
}
