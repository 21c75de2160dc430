package hosttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// Connections is where the kernel lists FUSE connections, to abort them.
const Connections = "/sys/fs/fuse/connections"

// MountConnections mounts fusectl where a machine without systemd lacks it. Users who may not mount do without.
func MountConnections() error {
	if os.Geteuid() != 0 {
		return nil
	}
	mounted, err := mountinfo.Mounted(Connections)
	if err != nil || mounted {
		return err
	}
	return unix.Mount("fusectl", Connections, "fusectl", 0, "")
}

// Abort ends the FUSE connection of the device with this minor number: waiting calls fail with ECONNABORTED, later ones
// with ENOTCONN.
func Abort(minor int) error {
	return os.WriteFile(fmt.Sprintf("%s/%d/abort", Connections, minor), []byte("1"), 0)
}

// MountAt is the line of dir in proc_pid_mountinfo(5), nil while nothing is mounted there.
func MountAt(dir string) *mountinfo.Info {
	infos, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(dir))
	if err != nil || len(infos) == 0 {
		return nil
	}
	return infos[0]
}

// MountedFor names the processes that see a mount at dir, each by its number and name. One that made a mount namespace of its
// own while there was one keeps it, and its daemon, whoever unmounts it elsewhere.
func MountedFor(dir string) []string {
	tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	var found []string
	for _, path := range tables {
		table, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(table), " "+dir+" ") {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "comm"))
		found = append(found, filepath.Base(filepath.Dir(path))+" "+strings.TrimSpace(string(name)))
	}
	return found
}

// MountsBelow lists the mountpoints at and below dir in this mount namespace.
func MountsBelow(dir string) []string {
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

// Usage is what statfs(2) counts as used.
type Usage struct{ Blocks, Inodes uint64 }

// UsageOf asks the filesystem that dir is on.
func UsageOf(dir string) (Usage, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return Usage{}, err
	}
	return Usage{fs.Blocks - fs.Bfree, fs.Files - fs.Ffree}, nil
}

// settleBound is for SettlesTo.
const settleBound = 10 * time.Second

// SettlesTo waits until the use of dir is back at want: freed space may be overwritten in the background and counts as
// used until then, and the kernel tells of its last references late.
func SettlesTo(t testing.TB, dir string, want Usage) bool {
	t.Helper()
	var got Usage
	var err error
	for deadline := time.Now().Add(settleBound); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got, err = UsageOf(dir); err == nil && got == want {
			return true
		}
	}
	return assert.NoError(t, err) && assert.Equal(t, want, got, "space and inodes come back")
}
