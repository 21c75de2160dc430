package suites

import (
	"fmt"
	"hash/crc32"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// The calls on contents.
var contentOps = []op{
	{"read", 4, func(t *rapid.T, m *model) call {
		slot, n := drawSlot(t, m), drawLength(t)
		return reading(slot, fmt.Sprint(n), func(s *side) string {
			if s.isPipe(slot) {
				return "left out"
			}
			data := make([]byte, n)
			got, err := unix.Read(s.fds[slot], data)
			return digest(data, got, err)
		})
	}},
	{"pread", 4, func(t *rapid.T, m *model) call {
		slot, n, off := drawSlot(t, m), drawLength(t), drawOffset(t)
		return reading(slot, fmt.Sprint(n, " at ", off), func(s *side) string {
			data := make([]byte, n)
			got, err := unix.Pread(s.fds[slot], data, off)
			return digest(data, got, err)
		})
	}},
	{"write", 8, func(t *rapid.T, m *model) call {
		slot, n, seed := drawSlot(t, m), drawLength(t), rapid.IntRange(1, 99).Draw(t, "seed")
		return onSlot(slot, fmt.Sprint(n), func(s *side) string {
			if s.isPipe(slot) || s.ofFurtherGroup(slot) {
				return "left out"
			}
			return count(unix.Write(s.fds[slot], bytesOf(seed, n)))
		})
	}},
	{"pwrite", 8, func(t *rapid.T, m *model) call {
		slot, n, off, seed := drawSlot(t, m), drawLength(t), drawOffset(t), rapid.IntRange(1, 99).Draw(t, "seed")
		return onSlot(slot, fmt.Sprint(n, " at ", off), func(s *side) string {
			if s.ofFurtherGroup(slot) {
				return "left out"
			}
			return count(unix.Pwrite(s.fds[slot], bytesOf(seed, n), off))
		})
	}},
	{"writev", 2, func(t *rapid.T, m *model) call {
		slot, n, seed := drawSlot(t, m), drawLength(t), rapid.IntRange(1, 99).Draw(t, "seed")
		return onSlot(slot, fmt.Sprint(n), func(s *side) string {
			if s.isPipe(slot) || s.ofFurtherGroup(slot) {
				return "left out"
			}
			return count(unix.Writev(s.fds[slot], [][]byte{bytesOf(seed, n), {1}, bytesOf(seed+1, n/2)}))
		})
	}},
	{"truncate", 3, func(t *rapid.T, m *model) call {
		p, size := drawPlace(t, m), drawOffset(t)
		return one(p, fmt.Sprint(size), func(s *side) string { return s.truncate(p, size) })
	}},
	{"ftruncate", 4, func(t *rapid.T, m *model) call {
		slot, size := drawSlot(t, m), drawOffset(t)
		return onSlot(slot, fmt.Sprint(size), func(s *side) string {
			if s.ofFurtherGroup(slot) {
				return "left out"
			}
			return errname(unix.Ftruncate(s.fds[slot], size))
		})
	}},
	{"fallocate", 5, drawFallocate},
	{"lseek", 4, func(t *rapid.T, m *model) call {
		slot, off, whence := drawSlot(t, m), drawOffset(t), rapid.IntRange(0, 2).Draw(t, "whence")
		return onSlot(slot, fmt.Sprint(off, " whence ", whence), func(s *side) string { return s.seek(slot, off, whence) })
	}},
	{"lseek for data and holes", 4, drawSparse},
	{"copy_file_range", 4, drawCopy},
	{"sendfile", 2, func(t *rapid.T, m *model) call {
		in, out, n, off := drawSlot(t, m), drawSlot(t, m), drawLength(t), drawOffset(t)
		c := reading(in, fmt.Sprint(n, " at ", off, " to slot ", out), func(s *side) string {
			if s.isPipe(in) || s.isPipe(out) || s.ofFurtherGroup(out) || s.intoItself(in, out, off, n) {
				return "left out"
			}
			at := off
			sent, err := unix.Sendfile(s.fds[out], s.fds[in], &at, n)
			return fmt.Sprint(count(sent, err), " ", at-off)
		})
		c.slots = append(c.slots, out)
		return c
	}},
}

// reading is a call that reads an open file, or lists an open directory.
func reading(slot int, text string, do func(s *side) string) call {
	c := onSlot(slot, text, do)
	c.reads = []int{slot}
	return c
}

// isPipe says that a slot holds a FIFO, whose contents are the kernel's own.
func (s *side) isPipe(slot int) bool {
	var st unix.Stat_t
	return unix.Fstat(s.fds[slot], &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO && tolerated("model", "times of a FIFO")
}

// ofFurtherGroup is ofFurtherGroup of the file in a slot.
func (s *side) ofFurtherGroup(slot int) bool {
	var st unix.Stat_t
	return unix.Fstat(s.fds[slot], &st) == nil && ofFurtherGroup(&st)
}

// intoItself says that n bytes from off would be sent to where some of them are.
func (s *side) intoItself(in, out int, off int64, n int) bool {
	var from, to unix.Stat_t
	if unix.Fstat(s.fds[in], &from) != nil || unix.Fstat(s.fds[out], &to) != nil || from.Ino != to.Ino || to.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	at, err := unix.Seek(s.fds[out], 0, unix.SEEK_CUR)
	return err == nil && at-off < int64(n) && off-at < int64(n) && tolerated("model", "sendfile into itself")
}

// digest tells what a read gave.
func digest(data []byte, n int, err error) string {
	if err != nil {
		return errname(err)
	}
	return fmt.Sprintf("%d bytes %08x", n, crc32.ChecksumIEEE(data[:n]))
}

// truncate leaves out what FUSE cannot tell from an open with O_TRUNC.
func (s *side) truncate(p place, size int64) string {
	var st unix.Stat_t
	if unix.Fstatat(s.dir(p), p.path, &st, 0) == nil && (ofFurtherGroup(&st) ||
		size == 0 && st.Size == 0 && tolerated("model", "truncate of an empty file")) {
		return "left out"
	}
	return errname(unix.Truncate(s.path(p), size))
}

// seek leaves directories out: their offsets are each filesystem's own.
func (s *side) seek(slot int, off int64, whence int) string {
	var st unix.Stat_t
	if unix.Fstat(s.fds[slot], &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return "directory"
	}
	return count(unix.Seek(s.fds[slot], off, whence))
}

func drawFallocate(t *rapid.T, m *model) call {
	const keep, punch, zero, collapse, insert, unshare = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE,
		unix.FALLOC_FL_COLLAPSE_RANGE, unix.FALLOC_FL_INSERT_RANGE, unix.FALLOC_FL_UNSHARE_RANGE
	slot, off := drawSlot(t, m), drawOffset(t)
	n := rapid.SampledFrom([]int64{0, -1, 1, 100, page - 1, page, page + 1, 3 * page, 20*page + 1, 1 << 41}).Draw(t, "bytes")
	mode := rapid.SampledFrom([]uint32{0, 0, keep, keep | punch, keep | punch, keep | punch, punch, zero, zero | keep, collapse, insert, unshare}).Draw(t, "mode")
	return onSlot(slot, fmt.Sprintf("mode %#x %d at %d", mode, n, off), func(s *side) string {
		if mode&punch == 0 {
			m.noteSpread(s, slot)
		}
		var st unix.Stat_t
		if unix.Fstat(s.fds[slot], &st) == nil && (ofFurtherGroup(&st) || n == 1<<41 && losesSetID(&st)) {
			return "left out"
		}
		if s.oracle && mode&zero != 0 && tolerated("model", "zero range") {
			return errname(zeroOnTmpfs(s.fds[slot], mode&keep, off, n))
		}
		return errname(unix.Fallocate(s.fds[slot], mode, off, n))
	})
}

// zeroOnTmpfs does what FALLOC_FL_ZERO_RANGE does, which tmpfs has not: nothing
// without room for the whole range, else what was there goes and the room stays.
func zeroOnTmpfs(fd int, keep uint32, off, n int64) error {
	for _, mode := range []uint32{keep, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, keep} {
		if err := unix.Fallocate(fd, mode, off, n); err != nil {
			return err
		}
	}
	return nil
}

// losesSetID says that a change by the caller takes set-id bits from a file. The kernel takes them for fallocate before it asks for the room that
// there is not.
func losesSetID(st *unix.Stat_t) bool {
	return st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 && unix.Geteuid() != root &&
		tolerated("model", "set-id without room")
}

// noteSpread remembers that fallocate made pages in the file of a slot.
func (m *model) noteSpread(s *side, slot int) {
	var st unix.Stat_t
	if unix.Fstat(s.fds[slot], &st) == nil {
		m.spread[s.id(st.Ino)] = true
	}
}

// drawSparse looks for data or for a hole. What fallocate made may count as
// either, so in such a file only sense is asked for: no data before the answer
// to SEEK_DATA, none but data before the answer to SEEK_HOLE, as the shadow of
// tmpfs has it.
func drawSparse(t *rapid.T, m *model) call {
	slot, off := drawSlot(t, m), drawOffset(t)
	whence := rapid.SampledFrom([]int{unix.SEEK_DATA, unix.SEEK_HOLE}).Draw(t, "whence")
	var want int64
	return onSlot(slot, fmt.Sprint(off, " whence ", whence), func(s *side) string {
		var st unix.Stat_t
		if unix.Fstat(s.fds[slot], &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return "directory"
		}
		at, err := unix.Seek(s.fds[slot], off, whence)
		if !m.spread[s.id(st.Ino)] {
			return count(at, err)
		}
		return m.sparse(s, slot, whence, st.Size, at, err, &want)
	})
}

// sparse compares the answers about a file with pages of fallocate, and leaves
// the file at its start. Both sides give the same word if safetmp's answer is
// sensible.
func (m *model) sparse(s *side, slot, whence int, size, at int64, err error, want *int64) string {
	if err == unix.ENXIO {
		at = size
	} else if err != nil {
		return errname(err)
	}
	if _, err := unix.Seek(s.fds[slot], 0, unix.SEEK_SET); err != nil {
		return errname(err)
	}
	if s.oracle {
		*want = at
		return "sensible"
	}
	early := whence == unix.SEEK_DATA && at <= *want
	late := whence == unix.SEEK_HOLE && at >= *want
	if at == *want || (early || late) && tolerated("model", "fallocated is data") {
		return "sensible"
	}
	return fmt.Sprintf("%d, tmpfs has %d", at, *want)
}

func drawCopy(t *rapid.T, m *model) call {
	in, out, n := drawSlot(t, m), drawSlot(t, m), rapid.SampledFrom([]int{0, 1, 100, page, page + 1, 5 * page, 1 << 30}).Draw(t, "bytes")
	from, to := drawOffset(t), drawOffset(t)
	useFrom, useTo := rapid.Bool().Draw(t, "from"), rapid.Bool().Draw(t, "to")
	c := reading(in, fmt.Sprint(n, " at ", from, useFrom, " to slot ", out, " at ", to, useTo), func(s *side) string {
		var a, b *int64
		x, y := from, to
		if useFrom {
			a = &x
		}
		if useTo {
			b = &y
		}
		var size unix.Stat_t
		if unix.Fstat(s.fds[in], &size) == nil && size.Size > 64<<20 && n > 1<<20 {
			return "too much to copy"
		}
		if s.ofFurtherGroup(out) {
			return "left out"
		}
		done, err := unix.CopyFileRange(s.fds[in], a, s.fds[out], b, n, 0)
		return fmt.Sprint(count(done, err), " ", x-from, " ", y-to)
	})
	c.slots = append(c.slots, out)
	return c
}
