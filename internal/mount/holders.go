package mount

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Holder is one reason why a mount is in use.
type Holder struct {
	PID     int    `json:"pid"`     // 0: another mount lies inside
	Command string `json:"command"` // comm of the process, see proc_pid_comm(5)
	Path    string `json:"path"`    // as the kernel shows it
	Use     string `json:"use"`     // "open file", "working directory", "root directory", "program", "mapping", "socket", "mount"
}

// perProcess bounds the holders reported of one process: the first few say enough.
const perProcess = 3

// Holders lists who keeps the mount from being unmounted, by process. It compares device numbers and never looks into
// the mount. The calling process is left out.
func Holders(e Entry) []Holder {
	holders := mountsInside(e)
	sockets := boundSockets(e.Mountpoint)
	for _, pid := range processes() {
		p := inspection{pid: pid, entry: e, sockets: sockets}
		holders = append(holders, p.run()...)
	}
	return holders
}

// processes lists the pids of all other processes in ascending order.
func processes() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// mountsInside lists mounts whose parent is this one.
func mountsInside(e Entry) []Holder {
	infos, _ := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.Parent != e.ID, false })
	var holders []Holder
	for _, i := range infos {
		holders = append(holders, Holder{Command: i.FSType, Path: i.Mountpoint, Use: "mount"})
	}
	return holders
}

// boundSockets maps the inodes of unix sockets bound below the mountpoint to their paths: a bound socket keeps its
// mount busy, but its descriptor does not show where it is bound.
func boundSockets(mountpoint string) map[string]string {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil
	}
	sockets := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		inode, path, ok := parseSocket(line)
		if ok && strings.HasPrefix(path, mountpoint+"/") {
			sockets["socket:["+inode+"]"] = path
		}
	}
	return sockets
}

// parseSocket reads a line of /proc/net/unix: seven fields and, for a bound socket, its path, see proc_pid_net(5).
func parseSocket(line string) (inode, path string, ok bool) {
	rest := strings.TrimSuffix(line, "\n")
	for range 6 {
		_, after, found := strings.Cut(strings.TrimLeft(rest, " "), " ")
		if !found {
			return "", "", false
		}
		rest = after
	}
	inode, path, ok = strings.Cut(strings.TrimLeft(rest, " "), " ")
	return inode, path, ok
}

// inspection looks at one process. Whatever cannot be read holds nothing that we could name.
type inspection struct {
	pid     int
	entry   Entry
	sockets map[string]string // immutable
	found   []Holder
}

// run collects the holders of the process.
func (p *inspection) run() []Holder {
	p.link("cwd", "working directory")
	p.link("root", "root directory")
	p.link("exe", "program")
	fds, _ := os.ReadDir(p.path("fd"))
	for _, fd := range fds {
		p.link(filepath.Join("fd", fd.Name()), "open file")
		p.socket(filepath.Join("fd", fd.Name()))
	}
	p.maps()
	return p.found
}

// path names a file of the process.
func (p *inspection) path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.pid), name)
}

// link checks one magic link, see proc_pid_fd(5).
func (p *inspection) link(name, use string) {
	if deviceOf(p.path(name)) != p.entry.Device {
		return
	}
	target, err := os.Readlink(p.path(name))
	if err == nil {
		p.add(target, use)
	}
}

// socket checks whether a descriptor is a socket bound in the mount.
func (p *inspection) socket(name string) {
	if len(p.sockets) == 0 {
		return
	}
	target, err := os.Readlink(p.path(name))
	if path, ok := p.sockets[target]; ok && err == nil {
		p.add(path, "socket")
	}
}

// maps checks the memory mappings by the device column of proc_pid_maps(5).
func (p *inspection) maps() {
	text, _ := os.ReadFile(p.path("maps"))
	for line := range strings.Lines(string(text)) {
		device, path, ok := parseMapping(line)
		if ok && device == p.entry.Device {
			p.add(path, "mapping")
		}
	}
}

// parseMapping reads "start-end perms offset major:minor inode path".
func parseMapping(line string) (Device, string, bool) {
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
	if len(fields) < 6 {
		return Device{}, "", false
	}
	majorText, minorText, ok := strings.Cut(fields[3], ":")
	major, err1 := strconv.ParseUint(majorText, 16, 32)
	minor, err2 := strconv.ParseUint(minorText, 16, 32)
	if !ok || err1 != nil || err2 != nil {
		return Device{}, "", false
	}
	return Device{uint32(major), uint32(minor)}, strings.TrimLeft(fields[5], " "), true
}

// add notes a path once and the first few only.
func (p *inspection) add(path, use string) {
	if len(p.found) >= perProcess || slices.ContainsFunc(p.found, func(h Holder) bool { return h.Path == path }) {
		return
	}
	comm, _ := os.ReadFile(p.path("comm"))
	p.found = append(p.found, Holder{PID: p.pid, Command: strings.TrimSuffix(string(comm), "\n"), Path: path, Use: use})
}

// deviceOf returns the device of what a magic link leads to, without a request to its filesystem and without its
// permission check: fuse_getattr answers a statx(2) that asks for nothing with the device alone.
func deviceOf(path string) Device {
	var stat unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, 0, &stat); err != nil {
		return Device{}
	}
	return Device{stat.Dev_major, stat.Dev_minor}
}
