package config

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Memory is what this machine and this process's memory cgroup offer, in bytes.
type Memory struct {
	RAM   int64 // MemTotal of proc_meminfo(5)
	Limit int64 // the tightest memory cgroup limit on the way to the root; 0 if there is none below RAM
}

// Usable is the memory that a mount may promise: RAM, or the cgroup's limit where that is less. Contents beyond it
// could only be had by an out-of-memory kill.
func (m Memory) Usable() int64 {
	if m.Limit > 0 && m.Limit < m.RAM {
		return m.Limit
	}
	return m.RAM
}

// ReadMemory reads the memory of this machine and the limits of the calling process's cgroup and its ancestors, both
// of the unified hierarchy (memory.max) and of a version 1 memory controller (memory.limit_in_bytes); see cgroups(7).
func ReadMemory() (Memory, error) { return readMemory(os.DirFS("/")) }

func readMemory(root fs.FS) (Memory, error) {
	ram, err := readMemTotal(root)
	if err != nil {
		return Memory{}, fmt.Errorf("reading the size of memory: %w", err)
	}
	return Memory{RAM: ram, Limit: cgroupLimit(root)}, nil
}

func readMemTotal(root fs.FS) (int64, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		rest, found := strings.CutPrefix(line, "MemTotal:")
		if !found {
			continue
		}
		kib, ok := parseDigits(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		if ok && kib > 0 && kib < 1<<50 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("no MemTotal in /proc/meminfo")
}

// cgroupLimit returns the tightest limit found. A hierarchy that is not mounted or not readable limits nothing that we
// could know of.
func cgroupLimit(root fs.FS) int64 {
	tightest := int64(0)
	for _, h := range memoryHierarchies(root) {
		for _, dir := range h.dirs() {
			limit, ok := readLimit(root, path.Join(dir, h.file))
			if ok && (tightest == 0 || limit < tightest) {
				tightest = limit
			}
		}
	}
	return tightest
}

// hierarchy is one mounted cgroup hierarchy that can limit memory.
type hierarchy struct {
	mountpoint string // without the leading slash, as io/fs wants it
	own        string // path of our cgroup below mountpoint
	file       string
}

// unifiedLimit is the file of a limit in the unified hierarchy.
const unifiedLimit = "memory.max"

// dirs lists our cgroup's directory and those of its ancestors, up to the mountpoint.
func (h hierarchy) dirs() []string {
	var dirs []string
	for dir := path.Join("/", h.own); ; dir = path.Dir(dir) {
		dirs = append(dirs, path.Join(h.mountpoint, dir))
		if dir == "/" {
			return dirs
		}
	}
}

// memoryHierarchies pairs the cgroup mounts of this namespace with our paths in them.
func memoryHierarchies(root fs.FS) []hierarchy {
	v1, v2 := ownCgroups(root)
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []hierarchy
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseCgroupMount(line)
		switch {
		case !ok:
		case m.unified && v2 != "":
			found = append(found, hierarchy{m.at, below(m.root, v2), unifiedLimit})
		case m.memory && v1 != "":
			found = append(found, hierarchy{m.at, below(m.root, v1), "memory.limit_in_bytes"})
		}
	}
	return found
}

// ownCgroups returns our path in the version 1 memory hierarchy and in the unified one, empty if we are in none.
func ownCgroups(root fs.FS) (v1, v2 string) {
	f, err := root.Open("proc/self/cgroup")
	if err != nil {
		return "", ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 3)
		switch {
		case len(fields) != 3:
		case fields[0] == "0" && fields[1] == "":
			v2 = fields[2]
		case hasWord(fields[1], "memory"):
			v1 = fields[2]
		}
	}
	return v1, v2
}

// cgroupMount is the part of a mountinfo(5) line that matters here.
type cgroupMount struct {
	root, at        string
	unified, memory bool
}

func parseCgroupMount(line string) (cgroupMount, bool) {
	before, after, found := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !found || len(left) < 5 || len(right) < 3 {
		return cgroupMount{}, false
	}
	m := cgroupMount{root: left[3], at: strings.TrimPrefix(left[4], "/")}
	m.unified = right[0] == "cgroup2"
	m.memory = right[0] == "cgroup" && hasWord(right[2], "memory")
	return m, (m.unified || m.memory) && fs.ValidPath(m.at)
}

// below rewrites our cgroup path relative to the part of the hierarchy that is mounted.
func below(mountRoot, own string) string {
	if rest, ok := strings.CutPrefix(own, mountRoot); ok && mountRoot != "/" {
		return rest
	}
	return own
}

// readLimit reads one limit file; "max" and numbers too large to matter are no limit.
func readLimit(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil && n > 0 && n < 1<<60
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
