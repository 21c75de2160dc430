package suites

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// removing is a call that removes.
func removing(p place, do func(s *side) string) call {
	c := one(p, "", do)
	c.vague = true
	return c
}

// refusedRename renames with flags that are refused wherever something would
// change; of one file to itself the kernel asks nobody.
func refusedRename(s *side, p, q place, flags uint) string {
	var from, to unix.Stat_t
	same := unix.Fstatat(s.dir(p), p.path, &from, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		unix.Fstatat(s.dir(q), q.path, &to, unix.AT_SYMLINK_NOFOLLOW) == nil && from.Ino == to.Ino
	if err := unix.Renameat2(s.dir(p), p.path, s.dir(q), q.path, flags); err == nil && !same {
		return "done"
	}
	return "refused"
}

// The calls on names.
var treeOps = []op{
	{"mkdir", 10, func(t *rapid.T, m *model) call {
		p, mode := drawPlace(t, m), drawMode(t)
		return one(p, fmt.Sprintf("%o", mode), func(s *side) string { return errname(unix.Mkdirat(s.dir(p), p.path, m.mode(s, mode))) })
	}},
	{"rmdir", 3, func(t *rapid.T, m *model) call {
		p := drawPlace(t, m)
		return removing(p, func(s *side) string { return errname(unix.Unlinkat(s.dir(p), p.path, unix.AT_REMOVEDIR)) })
	}},
	{"unlink", 5, func(t *rapid.T, m *model) call {
		p := drawPlace(t, m)
		return removing(p, func(s *side) string { return errname(unix.Unlinkat(s.dir(p), p.path, 0)) })
	}},
	{"rename", 12, func(t *rapid.T, m *model) call {
		p, q := drawPlace(t, m), drawPlace(t, m)
		const noReplace, exchange = unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE
		flags := rapid.SampledFrom([]uint{0, 0, 0, noReplace, exchange, exchange, noReplace | exchange, 1 << 7}).Draw(t, "flags")
		c := one(p, fmt.Sprint("to ", q, " flags ", flags), func(s *side) string {
			return errname(unix.Renameat2(s.dir(p), p.path, s.dir(q), q.path, flags))
		})
		c.vague = true
		c.places = append(c.places, q)
		return c
	}},
	{"rename with a whiteout", 1, func(t *rapid.T, m *model) call {
		p, q := drawPlace(t, m), drawPlace(t, m)
		c := one(p, fmt.Sprint("to ", q), func(s *side) string {
			if s.oracle && tolerated("model", "whiteout") {
				return "refused"
			}
			return refusedRename(s, p, q, unix.RENAME_WHITEOUT)
		})
		c.places = append(c.places, q)
		return c
	}},
	{"link", 6, func(t *rapid.T, m *model) call {
		p, q := drawPlace(t, m), drawPlace(t, m)
		flags := rapid.SampledFrom([]int{0, 0, unix.AT_SYMLINK_FOLLOW}).Draw(t, "flags")
		c := one(p, fmt.Sprint("to ", q, " flags ", flags), func(s *side) string {
			return errname(unix.Linkat(s.dir(p), p.path, s.dir(q), q.path, flags))
		})
		c.vague = true
		c.places = append(c.places, q)
		return c
	}},
	{"link of a descriptor", 4, func(t *rapid.T, m *model) call {
		slot, q := drawSlot(t, m), drawPlace(t, m)
		c := one(q, fmt.Sprint("of slot ", slot), func(s *side) string {
			return errname(unix.Linkat(unix.AT_FDCWD, fmt.Sprint("/proc/self/fd/", s.fds[slot]), s.dir(q), q.path, unix.AT_SYMLINK_FOLLOW))
		})
		c.vague = true
		c.slots = []int{slot}
		return c
	}},
	{"symlink", 4, func(t *rapid.T, m *model) call {
		p := drawPlace(t, m)
		target := rapid.SampledFrom([]string{"a", "b", "a/b", "../a", "..", ".", "nowhere", strings.Repeat("l/", 150), ""}).Draw(t, "target")
		return one(p, fmt.Sprintf("%q", shorten(target)), func(s *side) string { return errname(unix.Symlinkat(target, s.dir(p), p.path)) })
	}},
	{"readlink", 3, func(t *rapid.T, m *model) call {
		p := drawPlace(t, m)
		return one(p, "", func(s *side) string {
			buf := make([]byte, 512)
			n, err := unix.Readlinkat(s.dir(p), p.path, buf)
			if err != nil {
				return errname(err)
			}
			return shorten(string(buf[:n]))
		})
	}},
	{"mknod", 4, func(t *rapid.T, m *model) call {
		p, mode := drawPlace(t, m), drawMode(t)
		kind := rapid.SampledFrom([]uint32{unix.S_IFIFO, unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFREG, 0, unix.S_IFDIR}).Draw(t, "kind")
		return one(p, fmt.Sprintf("%o", kind|mode), func(s *side) string {
			return errname(unix.Mknodat(s.dir(p), p.path, kind|m.mode(s, mode), 0))
		})
	}},
}
