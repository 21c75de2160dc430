//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// connections is where the kernel lists FUSE connections, to abort them.
const connections = "/sys/fs/fuse/connections"

// mountConnections mounts fusectl where a machine without systemd lacks it.
func mountConnections() error {
	if os.Getuid() != 0 {
		return nil
	}
	mounted, err := mountinfo.Mounted(connections)
	if err != nil || mounted {
		return err
	}
	return unix.Mount("fusectl", connections, "fusectl", 0, "")
}

// refuseLeftovers fails if an earlier run of these tests left a mount or a
// daemon: what follows would be measured against it. Folders of runs that are
// under way are left alone, folders of dead ones removed.
func refuseLeftovers() error {
	bases, err := filepath.Glob(filepath.Join(os.TempDir(), basePrefix+"*"))
	if err != nil {
		return err
	}
	for _, base := range bases {
		lock, err := lockFolder(base)
		if err != nil { // a run under way, or another user's
			continue
		}
		_ = lock.Close()
		if left := append(mountsBelow(base), processesFrom(base)...); len(left) > 0 {
			return fmt.Errorf("an earlier run left %s: end it by hand, then start again", strings.Join(left, ", "))
		}
		if err := os.RemoveAll(base); err != nil {
			return err
		}
	}
	return nil
}

// leftBehind lists what this run failed to take away, and removes its folder.
func leftBehind(filesBefore []string) []string {
	left := append(mountsBelow(suite.base), processesFrom(suite.base)...)
	for _, file := range openFiles() {
		if !contains(filesBefore, file) && !isRuntimeFile(file) {
			left = append(left, "descriptor "+file)
		}
	}
	if len(left) > 0 {
		return left
	}
	if err := os.RemoveAll(suite.base); err != nil {
		left = append(left, err.Error())
	}
	return left
}

// mountsBelow lists the mounts at or below dir in this mount namespace.
func mountsBelow(dir string) []string {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, info := range infos {
		found = append(found, fmt.Sprintf("mount %s (%s)", info.Mountpoint, info.FSType))
	}
	return found
}

// processesFrom lists the processes, other than this one, whose program lies
// below dir, deleted or not.
func processesFrom(dir string) []string {
	var found []string
	for _, pid := range allProcesses() {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && pid != os.Getpid() && strings.HasPrefix(exe, dir+"/") {
			found = append(found, fmt.Sprintf("process %d (%s)", pid, exe))
		}
	}
	return found
}

func allProcesses() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// openFiles lists the descriptors of this process as number and target.
func openFiles() []string {
	entries, _ := os.ReadDir("/proc/self/fd")
	var files []string
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			files = append(files, entry.Name()+" "+target)
		}
	}
	return files
}

// isRuntimeFile says that the Go runtime opened file for itself: its poller,
// and the descriptor through which openFiles reads.
func isRuntimeFile(file string) bool {
	_, target, _ := strings.Cut(file, " ")
	for _, known := range []string{"anon_inode:[eventpoll]", "anon_inode:[eventfd]", "/proc/"} {
		if strings.HasPrefix(target, known) {
			return true
		}
	}
	return false
}

// filesBelow lists this process's descriptors that lead below dir: each would
// make the mount busy.
func filesBelow(dir string) []string {
	var found []string
	for _, file := range openFiles() {
		if _, target, _ := strings.Cut(file, " "); target == dir || strings.HasPrefix(target, dir+"/") {
			found = append(found, file)
		}
	}
	return found
}

func contains(list []string, item string) bool {
	for _, have := range list {
		if have == item {
			return true
		}
	}
	return false
}
