package suites

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// slots is how many descriptors a sequence holds at once. Slot 0 is the
// directory that the sequence starts in and is never closed.
const slots = 6

// deep is how far that directory is below the one that the sequence owns, so
// that symbolic links upwards do not lead out of it.
const deep = "x/x/x/x"

// side is one of the two filesystems that a sequence runs on.
type side struct {
	name   string
	home   string // the directory of all sequences
	root   string // what this sequence owns
	umask  int
	oracle bool

	fds  [slots]int
	ids  map[uint64]int    // inode numbers in the order in which they were met
	seen map[uint64]stamps // times of each inode when last looked at
}

// stamps are the times that a later look compares with.
type stamps struct{ m, c, b unix.Timespec }

// begin makes the directories of a new sequence.
func (s *side) begin(number int64) error {
	s.root = filepath.Join(s.home, fmt.Sprint(number))
	s.ids, s.seen = map[uint64]int{}, map[uint64]stamps{}
	for i := range s.fds {
		s.fds[i] = -1
	}
	unix.Umask(s.umask)
	if err := os.MkdirAll(filepath.Join(s.root, deep), 0o755); err != nil {
		return err
	}
	fd, err := unix.Open(filepath.Join(s.root, deep), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	s.fds[0] = fd
	return err
}

// end closes and removes what the sequence left.
func (s *side) end() error {
	for i := range s.fds {
		s.put(i, -1)
	}
	if s.root == "" {
		return nil
	}
	return removeTree(s.root)
}

// put closes what is in a slot and puts fd there.
func (s *side) put(slot, fd int) {
	if s.fds[slot] >= 0 {
		_ = unix.Close(s.fds[slot])
	}
	s.fds[slot] = fd
}

// removeTree removes a directory whatever permissions were taken away in it.
func removeTree(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, os.ErrPermission) || (err == nil && entry.IsDir()) {
			return os.Chmod(path, 0o700)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// id is a number for an inode that is the same on both sides as long as both
// show the same files in the same places.
func (s *side) id(ino uint64) int {
	if _, known := s.ids[ino]; !known {
		s.ids[ino] = len(s.ids)
	}
	return s.ids[ino]
}

// place is where a call works: a path below a descriptor.
type place struct {
	slot int
	path string
}

func (p place) String() string { return fmt.Sprintf("%d:%q", p.slot, shorten(p.path)) }

// shorten keeps logs readable.
func shorten(path string) string {
	if len(path) > 60 {
		return fmt.Sprintf("%s...(%d)", path[:20], len(path))
	}
	return path
}

// dir is the descriptor that p starts from.
func (s *side) dir(p place) int { return s.fds[p.slot] }

// path is p as one path, for calls that have no variant with a descriptor.
func (s *side) path(p place) string { return fmt.Sprintf("/proc/self/fd/%d/%s", s.fds[p.slot], p.path) }

// look is what one look at a file tells.
type look struct {
	text  string // everything but atime
	atime string
	id    int
	kind  uint32
}

// lookAt stats a place without following a link.
func (s *side) lookAt(p place) look {
	var st unix.Statx_t
	err := unix.Statx(s.dir(p), p.path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return s.describe(&st, err)
}

// lookAtSlot stats an open file.
func (s *side) lookAtSlot(slot int) look {
	var st unix.Statx_t
	err := unix.Statx(s.fds[slot], "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return s.describe(&st, err)
}

func (s *side) describe(st *unix.Statx_t, err error) look {
	if err != nil {
		return look{text: errname(err), id: -1}
	}
	kind := uint32(st.Mode) & unix.S_IFMT
	blocks := int64(-1)
	if kind == unix.S_IFREG {
		blocks = int64(st.Blocks)
	}
	mtime, ctime, btime := spec(st.Mtime), spec(st.Ctime), spec(st.Btime)
	before, known := s.seen[st.Ino]
	s.seen[st.Ino] = stamps{mtime, ctime, btime}
	id := s.id(st.Ino)
	text := fmt.Sprintf("#%d mode=%o nlink=%d uid=%d gid=%d size=%d blocks=%d mtime=%s%s ctime=%s%s btime=%s%s mask=%x",
		id, st.Mode, st.Nlink, st.Uid, st.Gid, st.Size, blocks,
		when(mtime), changed(known, mtime, before.m), when(ctime), changed(known, ctime, before.c),
		when(btime), changed(known, btime, before.b), st.Mask&(unix.STATX_BASIC_STATS|unix.STATX_BTIME))
	return look{text: text, atime: when(spec(st.Atime)), id: id, kind: kind}
}

func spec(t unix.StatxTimestamp) unix.Timespec {
	return unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}
}

// longAgo and farOff bound what when takes for the present: sequences set times
// only outside.
var longAgo, farOff = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Now().Add(48 * time.Hour).Unix()

// when prints a time that a program chose as it is, and the present as one
// word, since the two sides never run at the same nanosecond.
func when(t unix.Timespec) string {
	if t.Sec > longAgo && t.Sec < farOff {
		return "now"
	}
	return fmt.Sprintf("%d.%d", t.Sec, t.Nsec)
}

// changed marks a time that is another one than at the last look.
func changed(known bool, now, before unix.Timespec) string {
	switch {
	case !known:
		return "+"
	case now != before:
		return "*"
	}
	return ""
}

// count prints what a call that counts returned.
func count[T ~int | ~int64](n T, err error) string {
	if err != nil {
		return errname(err)
	}
	return fmt.Sprint(int64(n))
}

// Offsets and lengths at which something ends. Of the last pages before 2^63
// only what is beyond them is tried: there tmpfs itself errs (SEEK_HOLE gives
// -2^63).
const page = 4096

var (
	offsets = []int64{0, 0, 1, 7, 511, page - 1, page, page + 1, 2*page - 1, 2 * page, 3*page + 5, 16 * page, 1<<20 - 1, 1 << 20,
		2<<20 - 1, 2 << 20, 1<<31 - 1, 1 << 31, 1 << 40, 1<<62 + 3, math.MaxInt64, -1}
	lengths = []int64{0, 1, 2, 3, 100, page - 1, page, page + 1, 2 * page, 3*page + 1, 17 * page}
)
