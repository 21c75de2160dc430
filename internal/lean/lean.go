package lean

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Shrink gives back the memory that starting took: most of it are pages of the program's file, mapped around every
// fault. They come back from the page cache when they are needed. On a machine with many mounts it adds up.
func Shrink() {
	debug.FreeOSMemory()
	dropFilePages()
}

// dropFilePages is the part of Shrink that concerns the program's file.
func dropFilePages() {
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, r := range cleanMappings(string(text)) {
		// Not unix.Madvise: there is no slice of the runtime's own mappings.
		_, _, _ = syscall.RawSyscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED)
	}
}

// addresses is a range of them.
type addresses struct{ start, end uintptr }

// cleanMappings lists the mappings of files that are read-only and equal to the file: without pages of their own, as a
// program that was relocated has, see proc_pid_smaps(5).
func cleanMappings(smaps string) []addresses {
	var clean []addresses
	var current addresses
	readOnly := false
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 3:
			readOnly = false
		case !strings.HasSuffix(fields[0], ":"):
			current, readOnly = mappingOf(fields)
		case fields[0] == "Anonymous:" && readOnly && fields[1] == "0":
			clean = append(clean, current)
		}
	}
	return clean
}

// mappingOf reads the first line of a mapping: addresses, permissions, offset, device, inode, path.
func mappingOf(fields []string) (r addresses, readOnlyFile bool) {
	low, high, ok := strings.Cut(fields[0], "-")
	start, err1 := strconv.ParseUint(low, 16, 64)
	end, err2 := strconv.ParseUint(high, 16, 64)
	if !ok || err1 != nil || err2 != nil || len(fields) < 6 {
		return addresses{}, false
	}
	return addresses{uintptr(start), uintptr(end)}, strings.HasPrefix(fields[1], "r-") && strings.HasPrefix(fields[5], "/")
}
