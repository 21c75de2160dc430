package suites

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// The calls on what is known of a file beside its contents.
var metaOps = []op{
	{"stat", 4, func(t *rapid.T, m *model) call {
		p, flags := drawPlace(t, m), rapid.SampledFrom([]int{0, unix.AT_SYMLINK_NOFOLLOW}).Draw(t, "flags")
		return one(p, fmt.Sprint(flags), func(s *side) string {
			var st unix.Stat_t
			if err := unix.Fstatat(s.dir(p), p.path, &st, flags); err != nil {
				return errname(err)
			}
			return fmt.Sprintf("#%d mode=%o nlink=%d %d:%d size=%d blksize=%d", s.id(st.Ino), st.Mode, st.Nlink, st.Uid, st.Gid, st.Size, st.Blksize)
		})
	}},
	{"statx", 2, func(t *rapid.T, m *model) call {
		p, mask := drawPlace(t, m), rapid.SampledFrom([]int{unix.STATX_NLINK, unix.STATX_SIZE, unix.STATX_BLOCKS, unix.STATX_MODE, 0}).Draw(t, "mask")
		return one(p, fmt.Sprint(mask), func(s *side) string {
			var st unix.Statx_t
			if err := unix.Statx(s.dir(p), p.path, 0, mask, &st); err != nil {
				return errname(err)
			}
			return fmt.Sprintf("#%d %s", s.id(st.Ino), asked(&st, mask))
		})
	}},
	{"access", 3, func(t *rapid.T, m *model) call {
		p, mode := drawPlace(t, m), uint32(rapid.IntRange(0, 7).Draw(t, "access"))
		return one(p, fmt.Sprint(mode), func(s *side) string { return errname(unix.Faccessat(s.dir(p), p.path, mode, 0)) })
	}},
	{"chmod", 5, func(t *rapid.T, m *model) call {
		p, mode := drawPlace(t, m), drawMode(t)
		return one(p, fmt.Sprintf("%o", mode), func(s *side) string { return errname(unix.Fchmodat(s.dir(p), p.path, m.mode(s, mode), 0)) })
	}},
	{"fchmod", 3, func(t *rapid.T, m *model) call {
		slot, mode := drawSlot(t, m), drawMode(t)
		return onSlot(slot, fmt.Sprintf("%o", mode), func(s *side) string { return errname(unix.Fchmod(s.fds[slot], m.mode(s, mode))) })
	}},
	{"chown", 4, func(t *rapid.T, m *model) call {
		p, uid, gid := drawPlace(t, m), drawID(t, m, "uid"), drawID(t, m, "gid")
		flags := rapid.SampledFrom([]int{0, unix.AT_SYMLINK_NOFOLLOW}).Draw(t, "flags")
		return one(p, fmt.Sprint(uid, ":", gid, " flags ", flags), func(s *side) string {
			var st unix.Stat_t
			if unix.Fstatat(s.dir(p), p.path, &st, flags) == nil && clearsOthersSetID(&st, uid, gid) {
				return "left out"
			}
			return errname(unix.Fchownat(s.dir(p), p.path, uid, gid, flags))
		})
	}},
	{"fchown", 2, func(t *rapid.T, m *model) call {
		slot, uid, gid := drawSlot(t, m), drawID(t, m, "uid"), drawID(t, m, "gid")
		return onSlot(slot, fmt.Sprint(uid, ":", gid), func(s *side) string {
			var st unix.Stat_t
			if unix.Fstat(s.fds[slot], &st) == nil && clearsOthersSetID(&st, uid, gid) {
				return "left out"
			}
			return errname(unix.Fchown(s.fds[slot], uid, gid))
		})
	}},
	{"utimensat", 8, func(t *rapid.T, m *model) call {
		p, times := drawPlace(t, m), []unix.Timespec{drawTime(t), drawTime(t)}
		flags := rapid.SampledFrom([]int{0, unix.AT_SYMLINK_NOFOLLOW}).Draw(t, "flags")
		return one(p, fmt.Sprint(times, " flags ", flags), func(s *side) string {
			return errname(unix.UtimesNanoAt(s.dir(p), p.path, times, flags))
		})
	}},
	{"futimens", 4, func(t *rapid.T, m *model) call {
		slot, times := drawSlot(t, m), []unix.Timespec{drawTime(t), drawTime(t)}
		return onSlot(slot, fmt.Sprint(times), func(s *side) string {
			return errname(unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprint("/proc/self/fd/", s.fds[slot]), times, 0))
		})
	}},
	{"setxattr", 4, func(t *rapid.T, m *model) call {
		p, name, flags := drawPlace(t, m), drawAttr(t), rapid.SampledFrom([]int{0, 0, unix.XATTR_CREATE, unix.XATTR_REPLACE}).Draw(t, "flags")
		value := bytesOf(1, rapid.SampledFrom([]int{0, 1, 10, 100, 4000, 65536, 65537}).Draw(t, "bytes"))
		return one(p, fmt.Sprint(shorten(name), " ", len(value), " flags ", flags), func(s *side) string {
			return errname(unix.Lsetxattr(s.path(p), name, value, flags))
		})
	}},
	{"getxattr", 2, func(t *rapid.T, m *model) call {
		p, name, room := drawPlace(t, m), drawAttr(t), rapid.SampledFrom([]int{0, 1, 50, 70000}).Draw(t, "room")
		return one(p, fmt.Sprint(shorten(name), " ", room), func(s *side) string {
			value := make([]byte, room)
			n, err := unix.Lgetxattr(s.path(p), name, value)
			return digest(value, min(n, room), err) + " " + count(n, err)
		})
	}},
	{"listxattr", 2, func(t *rapid.T, m *model) call {
		p := drawPlace(t, m)
		return one(p, "", func(s *side) string { return attrs(s.path(p)) })
	}},
	{"removexattr", 2, func(t *rapid.T, m *model) call {
		p, name := drawPlace(t, m), drawAttr(t)
		return one(p, shorten(name), func(s *side) string { return errname(unix.Lremovexattr(s.path(p), name)) })
	}},
	{"fsetxattr", 2, func(t *rapid.T, m *model) call {
		slot, name := drawSlot(t, m), drawAttr(t)
		return onSlot(slot, shorten(name), func(s *side) string { return errname(unix.Fsetxattr(s.fds[slot], name, []byte("value"), 0)) })
	}},
}

// clearsOthersSetID says that a chown asks for nothing but that the set-id bits
// of another user's file be cleared, which FUSE cannot tell from a write, or that
// set-group-ID goes by a rule that FUSE has no words for.
func clearsOthersSetID(st *unix.Stat_t, uid, gid int) bool {
	caller := unix.Geteuid()
	return ofFurtherGroup(st) || uid == -1 && gid == -1 && st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 && caller != root && caller != int(st.Uid) &&
		tolerated("model", "chown to nothing")
}

// ofFurtherGroup says that a change by the caller takes set-group-ID from a file
// because its group is not the caller's first.
func ofFurtherGroup(st *unix.Stat_t) bool {
	const keepsForGroup = unix.S_ISGID | unix.S_IXGRP
	return st.Mode&keepsForGroup == unix.S_ISGID && st.Gid == team && unix.Geteuid() != root &&
		tolerated("model", "set-group-ID of a further group")
}

// drawID is a uid or gid to give a file to. Under a policy that refuses chown
// only the caller's own is asked for.
func drawID(t *rapid.T, m *model, what string) int {
	if !m.keepModes {
		return rapid.SampledFrom([]int{-1, alice}).Draw(t, what)
	}
	return rapid.SampledFrom([]int{-1, root, alice, bob, team}).Draw(t, what)
}

// drawTime is a time outside what when takes for the present, or the present.
func drawTime(t *rapid.T) unix.Timespec {
	return rapid.SampledFrom([]unix.Timespec{
		{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT},
		{}, {Sec: 1, Nsec: 999999999}, {Sec: 999999999, Nsec: 1}, {Sec: -1, Nsec: 5}, {Sec: -5e9}, {Sec: 1 << 31, Nsec: 7}, {Sec: 1<<33 + 1},
		{Sec: 4e9, Nsec: 123456789}, {Sec: 32503680000}, {Sec: 1e9, Nsec: 1e9},
	}).Draw(t, "time")
}

func drawAttr(t *rapid.T) string {
	return rapid.SampledFrom([]string{"user.a", "user.a", "user.b", "user." + strings.Repeat("x", 250), "user." + strings.Repeat("x", 251),
		"user.", "user", "nonsense.x"}).Draw(t, "attribute")
}

// attrs lists the user attributes of a path, or names the errno.
func attrs(path string) string {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return errname(err)
	}
	var found []string
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if strings.HasPrefix(name, "user.") {
			found = append(found, shorten(name))
		}
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// asked is what statx(2) answers for certain: a field that was not asked for may
// be out of date (the kernel does not ask a FUSE daemon for it).
func asked(st *unix.Statx_t, mask int) string {
	switch mask {
	case unix.STATX_MODE:
		return fmt.Sprintf("mode=%o", st.Mode)
	case unix.STATX_NLINK:
		return fmt.Sprintf("nlink=%d", st.Nlink)
	case unix.STATX_SIZE:
		return fmt.Sprintf("size=%d", st.Size)
	}
	return ""
}
