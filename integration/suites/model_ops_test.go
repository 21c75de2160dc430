package suites

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// op is a kind of call; a sequence makes it as often as it weighs.
type op struct {
	name   string
	weight int
	draw   func(t *rapid.T, m *model) call
}

func (o op) String() string { return o.name }

// call is one call with its arguments. do makes it and tells all that a program
// learns of it; it must not say anything that differs between two runs.
type call struct {
	text   string
	do     func(s *side) string
	places []place // what to look at afterwards
	slots  []int   // open files to look at afterwards
	reads  []int   // slots whose files it may have read
	vague  bool    // it may have stamped the directories of places as model.vague says
}

// allOps is every kind of call.
func allOps() []op {
	return slices.Concat(openOps, contentOps, treeOps, metaOps, listOps, lockOps)
}

// weigh repeats each op as often as it weighs.
func weigh(ops []op) []op {
	var all []op
	for _, o := range ops {
		for range o.weight {
			all = append(all, o)
		}
	}
	return all
}

// without leaves out what a policy refuses.
func without(ops []op, names ...string) []op {
	return slices.DeleteFunc(ops, func(o op) bool { return slices.Contains(names, o.name) })
}

// names are few, so that calls meet. The longest is as long as a name may be,
// and one is too long.
var names = []string{"a", "a", "a", "b", "b", "c", "d", "a", "b", strings.Repeat("n", 255), strings.Repeat("n", 256), ".", "..", "ü ß", "a\nb\xff"}

// drawPath is a path of one to three names, at most one of them "..".
func drawPath(t *rapid.T, m *model) string {
	depth := rapid.SampledFrom([]int{1, 1, 1, 1, 2, 2, 2, 3}).Draw(t, "depth")
	parts := make([]string, 0, depth)
	for range depth {
		name := rapid.SampledFrom(names).Draw(t, "name")
		if !m.keepModes && name == "a\nb\xff" || name == ".." && slices.Contains(parts, "..") {
			name = "d"
		}
		parts = append(parts, name)
	}
	path := strings.Join(parts, "/")
	if rapid.IntRange(0, 24).Draw(t, "slash") == 0 {
		path += "/"
	}
	return path
}

// drawPlace is mostly below the first directory, at times below whatever a slot
// holds.
func drawPlace(t *rapid.T, m *model) place {
	slot := 0
	if rapid.IntRange(0, 5).Draw(t, "from") == 0 {
		slot = drawSlot(t, m)
	}
	return place{slot, drawPath(t, m)}
}

// drawSlot is mostly a slot that holds something.
func drawSlot(t *rapid.T, m *model) int {
	var open []int
	for slot, fd := range m.tmpfs.fds {
		if fd >= 0 {
			open = append(open, slot)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
		return rapid.IntRange(0, slots-1).Draw(t, "slot")
	}
	return rapid.SampledFrom(open).Draw(t, "slot")
}

// drawTarget is a slot to open something in.
func drawTarget(t *rapid.T) int { return rapid.IntRange(1, slots-1).Draw(t, "into") }

func drawOffset(t *rapid.T) int64 {
	if rapid.Bool().Draw(t, "small") {
		return int64(rapid.IntRange(0, 6*page).Draw(t, "offset"))
	}
	return rapid.SampledFrom(offsets).Draw(t, "offset")
}

func drawLength(t *rapid.T) int { return int(rapid.SampledFrom(lengths).Draw(t, "length")) }

var modes = []uint32{0o644, 0o600, 0o700, 0o755, 0o777, 0o666, 0o000, 0o444, 0o4755, 0o2755, 0o2644, 0o1777, 0o6711, 0o7777}

func drawMode(t *rapid.T) uint32 { return rapid.SampledFrom(modes).Draw(t, "mode") }

// mode is what a side is asked for: tmpfs at once what the policy would leave.
func (m *model) mode(s *side, mode uint32) uint32 {
	if s.oracle && !m.keepModes {
		return mode & 0o700
	}
	return mode
}

// one is a call on one place.
func one(p place, text string, do func(s *side) string) call {
	return call{text: strings.TrimSpace(p.String() + " " + text), do: do, places: []place{p}}
}

// onSlot is a call on one open file.
func onSlot(slot int, text string, do func(s *side) string) call {
	return call{text: strings.TrimSpace(fmt.Sprintf("slot %d %s", slot, text)), do: do, slots: []int{slot}}
}

// bytesOf is content that is told from other content.
func bytesOf(seed, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(seed*31+i*7) | 1
	}
	return data
}

// The calls that open and close.
var openOps = []op{
	{"open", 14, func(t *rapid.T, m *model) call {
		p, into, mode, flags := drawPlace(t, m), drawTarget(t), drawMode(t), drawFlags(t, m)
		c := one(p, fmt.Sprintf("into %d flags %#x mode %o", into, flags, mode), func(s *side) string {
			var st unix.Stat_t
			if flags&unix.O_TRUNC != 0 && unix.Fstatat(s.dir(p), p.path, &st, 0) == nil && ofFurtherGroup(&st) {
				return "left out"
			}
			fd, err := unix.Openat(s.dir(p), p.path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, m.mode(s, mode))
			s.put(into, fd)
			return s.opened(into, err)
		})
		c.slots = []int{into}
		return c
	}},
	{"tmpfile", 3, func(t *rapid.T, m *model) call {
		p, into, mode := drawPlace(t, m), drawTarget(t), drawMode(t)
		access := rapid.SampledFrom([]int{unix.O_RDWR, unix.O_WRONLY, unix.O_RDONLY, unix.O_RDWR | unix.O_EXCL}).Draw(t, "access")
		c := one(p, fmt.Sprintf("into %d flags %#x mode %o", into, access, mode), func(s *side) string {
			fd, err := unix.Openat(s.dir(p), p.path, access|unix.O_TMPFILE|unix.O_CLOEXEC, m.mode(s, mode))
			s.put(into, fd)
			return s.opened(into, err)
		})
		c.slots = []int{into}
		return c
	}},
	{"close", 3, func(t *rapid.T, m *model) call {
		slot := drawTarget(t)
		return call{text: fmt.Sprint("slot ", slot), do: func(s *side) string {
			s.put(slot, -1)
			return "ok"
		}}
	}},
	{"fsync", 1, func(t *rapid.T, m *model) call {
		slot, data := drawSlot(t, m), rapid.Bool().Draw(t, "data")
		return onSlot(slot, "", func(s *side) string {
			if data {
				return errname(unix.Fdatasync(s.fds[slot]))
			}
			return errname(unix.Fsync(s.fds[slot]))
		})
	}},
}

// opened tells how an open went, with the flags that the file has.
func (s *side) opened(slot int, err error) string {
	if err != nil {
		s.fds[slot] = -1
		return errname(err)
	}
	flags, err := unix.FcntlInt(uintptr(s.fds[slot]), unix.F_GETFL, 0)
	return fmt.Sprintf("%#x %s", flags, errname(err))
}

func drawFlags(t *rapid.T, m *model) int {
	flags := rapid.SampledFrom([]int{unix.O_RDWR, unix.O_RDWR, unix.O_RDWR, unix.O_RDONLY, unix.O_WRONLY, unix.O_PATH}).Draw(t, "access")
	flags |= rapid.SampledFrom([]int{0, unix.O_CREAT, unix.O_CREAT, unix.O_CREAT, unix.O_CREAT | unix.O_EXCL}).Draw(t, "create")
	more := []int{0, 0, 0, 0, unix.O_TRUNC, unix.O_APPEND, unix.O_APPEND | unix.O_TRUNC, unix.O_DIRECTORY, unix.O_NOFOLLOW, unix.O_NOATIME, unix.O_SYNC}
	if m.direct {
		more = append(more, unix.O_DIRECT, unix.O_DIRECT|unix.O_APPEND)
	}
	return flags | rapid.SampledFrom(more).Draw(t, "more")
}
