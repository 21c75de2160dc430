package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// leftBelow lists the mounts at and below dir and the processes whose program lies there. A daemon that has answered
// may take a moment to exit.
func leftBelow(dir string) (left []string) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left = left[:0]
		for _, mountpoint := range mountsBelow(dir) {
			left = append(left, "mount "+mountpoint)
		}
		left = append(left, processesFrom(dir)...)
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// mountsBelow lists the mountpoints at and below dir.
func mountsBelow(dir string) []string {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, info := range infos {
		found = append(found, info.Mountpoint)
	}
	return found
}

// processesFrom lists other processes whose program lies below dir, deleted or not.
func processesFrom(dir string) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	var found []string
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err == nil && strings.HasPrefix(exe, dir+"/") && !strings.HasPrefix(link, fmt.Sprintf("/proc/%d/", os.Getpid())) {
			found = append(found, "process "+filepath.Dir(link)+" "+exe)
		}
	}
	return found
}
