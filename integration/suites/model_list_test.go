package suites

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// The calls that list.
var listOps = []op{
	{"readdir", 3, func(t *rapid.T, m *model) call {
		p := drawPlace(t, m)
		into := drawTarget(t)
		c := one(p, fmt.Sprint("into ", into), func(s *side) string {
			fd, err := unix.Openat(s.dir(p), p.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			s.put(into, fd)
			if err != nil {
				return s.opened(into, err)
			}
			return s.list(into)
		})
		c.slots, c.reads = []int{into}, []int{into}
		return c
	}},
	{"readdir of a descriptor", 3, func(t *rapid.T, m *model) call {
		slot := drawSlot(t, m)
		return reading(slot, "", func(s *side) string {
			var st unix.Stat_t
			if unix.Fstat(s.fds[slot], &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
				_, err := unix.Getdents(s.fds[slot], make([]byte, 512))
				return errname(err)
			}
			if _, err := unix.Seek(s.fds[slot], 0, unix.SEEK_SET); err != nil {
				return errname(err)
			}
			return s.list(slot)
		})
	}},
	{"seekdir", 2, func(t *rapid.T, m *model) call {
		slot, k := drawSlot(t, m), rapid.IntRange(0, 9).Draw(t, "entry")
		return reading(slot, fmt.Sprint("after entry ", k), func(s *side) string { return s.seekdir(slot, k) })
	}},
}

// seekdir lists a directory and then, from where its entry k ended, the rest
// again (telldir(3), seekdir(3)). The order is each filesystem's own; what is told
// is how many entries there are and whether the rest was the same both times.
func (s *side) seekdir(slot, k int) string {
	var st unix.Stat_t
	if err := unix.Fstat(s.fds[slot], &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "no directory " + errname(err)
	}
	all, err := s.entriesFrom(slot, 0)
	if err != nil {
		return errname(err)
	}
	rest := all
	if k = min(k, len(all)); k > 0 {
		if rest, err = s.entriesFrom(slot, all[k-1].off); err != nil {
			return errname(err)
		}
	} else if rest, err = s.entriesFrom(slot, 0); err != nil {
		return errname(err)
	}
	return fmt.Sprintf("%d entries, the same after %d: %v", len(all), k, slices.Equal(all[k:], rest))
}

// entriesFrom lists the directory in a slot from an offset on, in its order.
func (s *side) entriesFrom(slot int, off int64) ([]direntry, error) {
	if _, err := unix.Seek(s.fds[slot], off, unix.SEEK_SET); err != nil {
		return nil, err
	}
	return s.entries(slot)
}

// list lists the directory in a slot from where it is, sorted by name, each
// with its kind and its inode.
func (s *side) list(slot int) string {
	found, err := s.entries(slot)
	if err != nil {
		return errname(err)
	}
	slices.SortFunc(found, func(a, b direntry) int { return strings.Compare(a.name, b.name) })
	var out []string
	for _, e := range found {
		out = append(out, fmt.Sprintf("%s(%d,#%d)", shorten(e.name), e.kind, s.id(e.ino)))
	}
	return strings.Join(out, " ")
}

// entries lists the directory in a slot from where it is.
func (s *side) entries(slot int) ([]direntry, error) {
	var found []direntry
	buf := make([]byte, 1024)
	for {
		n, err := unix.Getdents(s.fds[slot], buf)
		if err != nil || n == 0 {
			return found, err
		}
		found = append(found, direntries(buf[:n])...)
	}
}

// direntry is one record of getdents64(2).
type direntry struct {
	off  int64 // of what follows it
	name string
	kind byte
	ino  uint64
}

func direntries(buf []byte) []direntry {
	var found []direntry
	for len(buf) > 19 {
		size := binary.NativeEndian.Uint16(buf[16:])
		name, _, _ := strings.Cut(string(buf[19:size]), "\x00")
		off := int64(binary.NativeEndian.Uint64(buf[8:]))
		found = append(found, direntry{off, name, buf[18], binary.NativeEndian.Uint64(buf)})
		buf = buf[size:]
	}
	return found
}

// node is a file as the comparison of two trees sees it.
type node struct {
	where string
	look
	holds string // contents and attributes
}

// compareTrees compares everything that a sequence made.
func (m *model) compareTrees(t *rapid.T) {
	var trees [2][]node
	m.owner.do(func() { trees[0], trees[1] = m.tmpfs.tree(), m.safetmp.tree() })
	want, got := trees[0], trees[1]
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || !m.sameNode(want[i], got[i]) {
			t.Fatalf("the trees differ:\n  tmpfs   %s\n  safetmp %s", nodeAt(want, i), nodeAt(got, i))
		}
	}
}

// sameNode compares two nodes. The walk has listed directories, and some files
// were read before.
func (m *model) sameNode(want, got node) bool {
	sameAtime := want.atime == got.atime || m.read[want.id] || want.kind == unix.S_IFDIR
	return want.where == got.where && want.holds == got.holds && sameAtime && m.sameLook(want.look, got.look)
}

func nodeAt(nodes []node, i int) string {
	if i >= len(nodes) {
		return "(nothing more)"
	}
	n := nodes[i]
	return fmt.Sprintf("%s: %s atime=%s %s", n.where, n.text, n.atime, n.holds)
}

// tree is every open file, and every file below the root of the sequence.
func (s *side) tree() []node {
	var nodes []node
	for slot := range slots {
		nodes = append(nodes, node{fmt.Sprint("slot ", slot), s.lookAtSlot(slot), ""})
	}
	_ = filepath.WalkDir(s.root, func(path string, entry os.DirEntry, err error) error {
		n := node{fmt.Sprintf("%q", strings.TrimPrefix(path, s.root)), s.lookAt(place{0, path}), errname(err)}
		if err == nil {
			n.holds = s.contents(path, entry.Type()) + " " + attrs(path)
		}
		nodes = append(nodes, n)
		return nil
	})
	return nodes
}

// contents is what a file holds, in short. Of a sparse file only its pieces are
// read.
func (s *side) contents(path string, kind os.FileMode) string {
	switch kind {
	case os.ModeSymlink:
		target, err := os.Readlink(path)
		return shorten(target) + " " + errname(err)
	case 0:
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
		if err != nil {
			return errname(err)
		}
		defer unix.Close(fd)
		return pieces(fd)
	}
	return ""
}

// pieces are the pages of a file that are not zero, by offset.
func pieces(fd int) string {
	sum := crc32.NewIEEE()
	buf, zero := make([]byte, page), string(make([]byte, page))
	for off := int64(0); ; {
		data, err := unix.Seek(fd, off, unix.SEEK_DATA)
		if err != nil {
			break
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err != nil {
			return errname(err)
		}
		for off = data &^ (page - 1); off >= 0 && off < hole; off += page {
			n, err := unix.Pread(fd, buf, off)
			if err != nil {
				return errname(err)
			}
			if string(buf[:n]) != zero[:n] {
				fmt.Fprint(sum, off)
				_, _ = sum.Write(buf[:n])
			}
		}
		off = hole
	}
	return fmt.Sprintf("%08x", sum.Sum32())
}

// The calls that lock: descriptors are one owner each.
var lockOps = []op{
	{"flock", 2, func(t *rapid.T, m *model) call {
		slot, how := drawSlot(t, m), rapid.SampledFrom([]int{unix.LOCK_EX, unix.LOCK_SH, unix.LOCK_UN}).Draw(t, "how")
		return onSlot(slot, fmt.Sprint(how), func(s *side) string { return errname(unix.Flock(s.fds[slot], how|unix.LOCK_NB)) })
	}},
	{"range lock", 3, func(t *rapid.T, m *model) call {
		slot, command := drawSlot(t, m), rapid.SampledFrom([]int{unix.F_OFD_SETLK, unix.F_OFD_SETLK, unix.F_OFD_GETLK}).Draw(t, "command")
		lock := unix.Flock_t{Type: int16(rapid.IntRange(0, 2).Draw(t, "type")), Start: int64(rapid.IntRange(0, 20).Draw(t, "start")), Len: int64(rapid.IntRange(0, 20).Draw(t, "len"))}
		return onSlot(slot, fmt.Sprint(command, lock), func(s *side) string {
			l := lock
			err := unix.FcntlFlock(uintptr(s.fds[slot]), command, &l)
			return fmt.Sprint(errname(err), l)
		})
	}},
}
