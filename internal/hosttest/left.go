package hosttest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Left lists what hangs on a folder: the mounts at and below dir, and the processes other than this one whose program,
// deleted or not, lies below it or whose arguments name it.
func Left(dir string) []string {
	var left []string
	for _, mountpoint := range MountsBelow(dir) {
		left = append(left, "mount "+mountpoint)
	}
	return append(left, ProcessesFrom(dir)...)
}

// LeftAfter is Left once nothing is left, or the bound has passed: a daemon that has answered may take a moment to exit.
func LeftAfter(bound time.Duration, dir string) []string {
	for deadline := time.Now().Add(bound); ; time.Sleep(20 * time.Millisecond) {
		if left := Left(dir); len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// ProcessesFrom lists the processes of Left.
func ProcessesFrom(dir string) []string {
	var found []string
	for _, pid := range Processes() {
		if pid == os.Getpid() {
			continue
		}
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		args := strings.Join(Args(pid), " ")
		if strings.HasPrefix(exe, dir+"/") || strings.Contains(args, dir) {
			found = append(found, fmt.Sprintf("process %d (%s: %s)", pid, exe, args))
		}
	}
	return found
}

// OpenFiles lists the descriptors of this process as number and target.
func OpenFiles() []string {
	entries, _ := os.ReadDir("/proc/self/fd")
	var files []string
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			files = append(files, entry.Name()+" "+target)
		}
	}
	return files
}

// FilesBelow lists this process's descriptors that lead to dir or below: each makes a mount there busy.
func FilesBelow(dir string) []string {
	var found []string
	for _, file := range OpenFiles() {
		if _, target, _ := strings.Cut(file, " "); target == dir || strings.HasPrefix(target, dir+"/") {
			found = append(found, file)
		}
	}
	return found
}

// openedSince lists the descriptors that are not among before, as "descriptor NUMBER TARGET".
func openedSince(before []string) []string {
	var found []string
	for _, file := range OpenFiles() {
		if !slices.Contains(before, file) && !isRuntimeFile(file) {
			found = append(found, "descriptor "+file)
		}
	}
	return found
}

// isRuntimeFile says that the Go runtime opened file for itself: its poller, and the descriptor through which OpenFiles
// reads.
func isRuntimeFile(file string) bool {
	_, target, _ := strings.Cut(file, " ")
	for _, known := range []string{"anon_inode:[eventpoll]", "anon_inode:[eventfd]", "/proc/"} {
		if strings.HasPrefix(target, known) {
			return true
		}
	}
	return false
}
