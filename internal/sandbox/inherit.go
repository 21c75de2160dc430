package sandbox

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// InheritedDescriptors lists the descriptors from 3 up that this process was given to pass on: those without
// FD_CLOEXEC. Everything that Go or safetmp opens has it.
func InheritedDescriptors() []int {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var out []int
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd < 3 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			out = append(out, fd)
		}
	}
	return out
}
