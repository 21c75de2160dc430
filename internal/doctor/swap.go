package doctor

import (
	"fmt"
	"math"
	"path"
	"strings"

	"safetmp/internal/config"
)

// swapArea is one line of /proc/swaps.
type swapArea struct {
	name   string
	file   bool // a file in a filesystem, not a device
	medium medium
}

// describe names the area and what it stands on.
func (a swapArea) describe() string {
	kind := "partition"
	if a.file {
		kind = "file"
	}
	return fmt.Sprintf("%s (%s, %s)", a.name, kind, [...]string{"not encrypted", "encrypted", "in RAM"}[a.medium])
}

// swapAreas reads /proc/swaps. known is false if it cannot be read, as in some containers. A kernel without CONFIG_SWAP
// has no such file.
func (s System) swapAreas() (areas []swapArea, known bool) {
	table, known := s.text("proc/swaps")
	if total, ok := s.swapTotal(); !known && ok {
		return nil, total == "0 kB"
	}
	for i, line := range strings.Split(table, "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) < 2 {
			continue // the heading
		}
		a := swapArea{name: strings.TrimSuffix(unescape(fields[0]), " (deleted)"), file: fields[1] == "file"}
		if a.file {
			a.medium = s.mediumOfFile(a.name)
		} else {
			a.medium = s.mediumOf(s.deviceOf(a.name), 0)
		}
		areas = append(areas, a)
	}
	return areas, known
}

// swapTotal reads the size of all swap from proc_meminfo(5).
func (s System) swapTotal() (string, bool) {
	table, _ := s.text("proc/meminfo")
	for line := range strings.Lines(table) {
		if total, ok := strings.CutPrefix(line, "SwapTotal:"); ok {
			return strings.TrimSpace(total), true
		}
	}
	return "", false
}

// plainSwap reports whether memory of the caller's can be written to a disk in the clear.
func (s System) plainSwap() bool {
	areas, known := s.swapAreas()
	for _, a := range areas {
		if a.medium == plain {
			return !s.swapForbidden()
		}
	}
	return !known && !s.swapForbidden()
}

// swapForbidden reports whether the caller's cgroup, or one above it, keeps its memory out of swap (memory.swap.max of
// the kernel's cgroup-v2).
func (s System) swapForbidden() bool {
	for _, dir := range config.UnifiedCgroups(s.Root) {
		if limit, ok := s.text(path.Join(dir, "memory.swap.max")); ok && limit == "0" {
			return true
		}
	}
	return false
}

// checkSwap judges what swap there is, and whether contents may get into it.
func checkSwap(s System) Check {
	c := Check{Name: "swap", Verdict: Ok}
	areas, known := s.swapAreas()
	var names []string
	for _, a := range areas {
		names = append(names, a.describe())
	}
	c.Found = strings.Join(names, ", ")
	switch {
	case !known:
		c.Found = "not known: /proc/swaps cannot be read"
	case len(areas) == 0:
		c.Found = "none"
	}
	if s.swapForbidden() {
		c.Found += "; forbidden to this cgroup by memory.swap.max=0"
	}
	if !s.plainSwap() {
		return c
	}
	c.Fix = "encrypt it (cryptsetup with a random key at boot), use zram instead, or MemorySwapMax=0 for the unit"
	switch {
	case s.Trial.Lock.Worked():
		c.Verdict, c.Means = Note, "contents stay out of it, since safetmp may lock its memory; the workload's own memory does not"
	case s.Encrypts:
		c.Verdict, c.Means = Note, "contents reach it encrypted only, which costs speed; the workload's own memory is not"
	default:
		c.Verdict, c.Means = Warn, "contents that the limit on locked memory leaves unlocked can reach the disk in the clear"
		c.Fix = "raise the limit (see locked memory); or " + c.Fix
	}
	return c
}

// checkMemlock judges whether a mount of the default size can be locked as a whole.
func checkMemlock(s System) Check {
	size := bytesText(uint64(s.defaultSize()))
	c := Check{Name: "locked memory", Verdict: Ok, Found: "a mount of the default size, " + size + ", can be locked, tried"}
	if s.Trial.Lock.Worked() {
		return c
	}
	c.Verdict = Note
	c.Found = fmt.Sprintf("a mount of the default size, %s, cannot be locked: the limit is %s", size, limitText(s.MemlockLimit))
	c.Fix = "raise it: ulimit -l, LimitMEMLOCK= in a unit, memlock in limits.conf; docker: --ulimit memlock=-1"
	switch {
	case !s.plainSwap():
		c.Means = "without consequence while there is no swap that is not encrypted; mounts up to the limit are locked"
	case s.Encrypts:
		c.Means = "larger mounts are encrypted instead, which costs speed"
	default:
		c.Verdict = Warn
		c.Means = "what is not locked can be swapped out in the clear"
	}
	return c
}

// checkHibernation judges whether all memory, locked or not, may be written to a disk.
func checkHibernation(s System) Check {
	c := Check{Name: "hibernation", Verdict: Ok, Found: "not available"}
	states, readable := s.text("sys/power/state")
	if !readable || !hasField(states, "disk") {
		return c
	}
	areas, _ := s.swapAreas()
	clear := false
	for _, a := range areas {
		clear = clear || a.medium == plain
	}
	switch {
	case len(areas) == 0:
		c.Found = "available, with no swap to write to"
		return c
	case !clear:
		c.Found = "available, to swap that is encrypted or in RAM"
		return c
	}
	c.Means = "hibernating writes all memory, locked pages and keys included, to the disk in the clear"
	c.Fix = "unmount first; or encrypt the swap; or boot with nohibernate"
	c.Verdict, c.Found = Note, "available, and not set up to resume"
	if s.resumes() {
		c.Verdict, c.Found = Warn, "set up, to swap that is not encrypted"
	}
	return c
}

// resumes reports whether the machine is set up to wake from hibernation.
func (s System) resumes() bool {
	device, _ := s.text("sys/power/resume")
	_, word := s.bootWord("resume")
	return word || device != "" && device != "0:0"
}

func hasField(text, word string) bool {
	for field := range strings.FieldsSeq(text) {
		if field == word {
			return true
		}
	}
	return false
}

// bytesText writes a size with a binary unit.
func bytesText(n uint64) string {
	value, unit := float64(n), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1<<10 {
			break
		}
		value, unit = value/(1<<10), larger
	}
	return fmt.Sprintf("%.4g %s", value, unit)
}

// limitText writes a resource limit, getrlimit(2).
func limitText(n uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return bytesText(n)
}
