package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"safetmp/policy"
)

// caller is who sent a request, as the kernel says.
type caller struct {
	uid, gid, pid uint32
}

func callerOf(h *fuse.InHeader) caller {
	return caller{uid: h.Uid, gid: h.Gid, pid: h.Pid}
}

// Admits says whether a request by path may come from a uid at all. The kernel
// checks the mode of the root directory, which nobody but the owner may search,
// before it asks; what it does not check there, such as statfs(2), ends here.
func (f *FS) Admits(uid uint32) bool {
	return !f.opts.RootToo || uid == f.opts.OwnerUID || uid == 0
}

// scope is the set of callers for whom an alias exists.
type scope struct {
	uid uint32
	// session is 0 unless the policy scopes aliases by session.
	session int32
}

// scopeOf returns the scope that c resolves aliases in.
func (f *FS) scopeOf(c caller) scope {
	s := scope{uid: c.uid}
	if f.policy.Scope() == policy.ScopeSession {
		s.session = f.opts.Session(c.pid)
	}
	return s
}

// sessionOf is getsid(2), or -1 for a process that is gone or lives in a pid
// namespace the daemon cannot see: such processes share one scope per uid.
func sessionOf(pid uint32) int32 {
	if pid == 0 {
		return -1
	}
	sid, err := unix.Getsid(int(pid))
	if err != nil {
		return -1
	}
	return int32(sid)
}
