package doctor

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// medium is what becomes of bytes that are written to a block device.
type medium int

const (
	plain     medium = iota // they can be read off the disk, or so we must assume
	encrypted               // dm-crypt is below
	memory                  // zram: they stay in RAM
)

// deepest bounds the stacking of devices that is followed.
const deepest = 8

// mediumOf looks through a device of /sys/class/block to what it stands on.
func (s System) mediumOf(device string, depth int) medium {
	dir := "sys/class/block/" + device
	switch {
	case depth > deepest || device == "" || !fs.ValidPath(dir):
		return plain
	case strings.HasPrefix(device, "zram"):
		return s.mediumOfZram(dir, depth)
	}
	if id, _ := s.text(dir + "/dm/uuid"); strings.HasPrefix(id, "CRYPT-") {
		return encrypted
	}
	below, err := fs.ReadDir(s.Root, dir+"/slaves")
	if err != nil || len(below) == 0 {
		return plain
	}
	for _, d := range below {
		if s.mediumOf(d.Name(), depth+1) != encrypted {
			return plain
		}
	}
	return encrypted
}

// mediumOfZram follows the device to which zram may write cold pages, see the kernel's blockdev/zram.
func (s System) mediumOfZram(dir string, depth int) medium {
	backing, ok := s.text(dir + "/backing_dev")
	if !ok || backing == "none" || backing == "" {
		return memory
	}
	return s.mediumOf(s.deviceOf(backing), depth+1)
}

// deviceOf returns the kernel's name of a block device file: "dm-0" for /dev/mapper/swap.
func (s System) deviceOf(file string) string {
	target, err := fs.ReadLink(s.Root, strings.TrimPrefix(file, "/"))
	if err == nil {
		return path.Base(target)
	}
	return path.Base(file)
}

// mediumOfFile finds the device of the filesystem that holds a file.
func (s System) mediumOfFile(file string) medium {
	mounts, _ := s.text("proc/self/mountinfo")
	var best, number, source string
	for line := range strings.Lines(mounts) {
		before, after, found := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 2 {
			continue
		}
		// Later mounts cover earlier ones at the same place.
		if at := unescape(left[4]); holds(at, file) && len(at) >= len(best) {
			best, number, source = at, left[2], unescape(right[1])
		}
	}
	// btrfs shows a number of no device, so the source is asked as well.
	if target, err := fs.ReadLink(s.Root, "sys/dev/block/"+number); err == nil && number != "" {
		return s.mediumOf(path.Base(target), 0)
	}
	if strings.HasPrefix(source, "/dev/") {
		return s.mediumOf(s.deviceOf(source), 0)
	}
	return plain
}

// holds reports whether a path is at or below a directory.
func holds(dir, file string) bool {
	return dir == "/" || file == dir || strings.HasPrefix(file, dir+"/")
}

// unescape turns the octal escapes of /proc tables into bytes: \040 for a blank.
func unescape(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		code, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8)
		if err != nil || len(after) < 3 {
			b.WriteByte('\\')
			text = after
			continue
		}
		b.WriteByte(byte(code))
		text = after[3:]
	}
}
