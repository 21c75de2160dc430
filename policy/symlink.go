package policy

import (
	"strings"
	"syscall"
)

// maxTarget is the longest target of a symbolic link in bytes: PATH_MAX less
// the terminating NUL, see symlink(2).
const maxTarget = 4095

const (
	reasonSymlinks = "symbolic links are not allowed"
	reasonOutside  = "the target must be relative and stay below the same top-level entry"
	reasonLeaves   = "the link leads out of its top-level entry"
)

// SymlinkRequest asks for a new symbolic link, or for the target of one that
// is there. The name of a new link is judged by [Policy.Name].
type SymlinkRequest struct {
	// RawTarget is the target as it came.
	RawTarget string
	// Depth is how many directories lead to the link, from the top-level entry
	// (inclusive) to the directory that the link is in: 0 in the mount root.
	Depth int
}

// Symlink decides about a new link. EPERM when its rule refuses it, EINVAL when
// rule name-check refuses a component of the target (a listing shows targets,
// too), ENOENT and ENAMETOOLONG as symlink(2) documents.
func (p *Policy) Symlink(r SymlinkRequest) Decision {
	d := p.set.symlink(r)
	if p.warns(d) {
		return d.letThrough(unenforced.symlink(r))
	}
	return d
}

// Readlink decides whether a stored link may be read and followed. It may have
// been moved since it was made, or the directory it is in. EACCES when it would
// now leave its top-level entry, as for links that protected_symlinks refuses
// to follow, see proc(5).
//
// A decision holds for the place that the link is in now: under
// symlinks=inside the kernel must not be told to cache targets
// (FUSE_CACHE_SYMLINKS).
func (p *Policy) Readlink(r SymlinkRequest) Decision {
	d := p.set.readlink(r)
	if p.warns(d) {
		return d.letThrough(unenforced.readlink(r))
	}
	return d
}

func (s *settings) symlink(r SymlinkRequest) Decision {
	const op = "symlink"
	switch {
	case s[idSymlinks] == symlinksRefuse:
		return refuse(op, RuleSymlinks, syscall.EPERM, reasonSymlinks)
	case r.RawTarget == "":
		return refuse(op, RuleFilesystem, syscall.ENOENT, "the target is empty")
	case len(r.RawTarget) > maxTarget:
		return refuse(op, RuleFilesystem, syscall.ENAMETOOLONG, "the target is longer than 4095 bytes")
	case strings.IndexByte(r.RawTarget, 0) >= 0:
		return refuse(op, RuleFilesystem, syscall.EINVAL, "the target holds a NUL byte")
	case s[idSymlinks] == symlinksInside && !staysInside(r.RawTarget, r.Depth):
		return refuse(op, RuleSymlinks, syscall.EPERM, reasonOutside)
	}
	return s.target(op, r.RawTarget)
}

func (s *settings) readlink(r SymlinkRequest) Decision {
	const op = "readlink"
	switch s[idSymlinks] {
	case symlinksRefuse:
		return refuse(op, RuleSymlinks, syscall.EACCES, reasonSymlinks)
	case symlinksInside:
		if !staysInside(r.RawTarget, r.Depth) {
			return refuse(op, RuleSymlinks, syscall.EACCES, reasonLeaves)
		}
	}
	return allow(op)
}

// target applies rule name-check to each component of a target.
func (s *settings) target(op, rawTarget string) Decision {
	for rest, more := rawTarget, true; more; {
		var component string
		component, rest, more = strings.Cut(rest, "/")
		if reason := unsafeName(component, s[idNameCheck]); reason != "" {
			return refuse(op, RuleNameCheck, syscall.EINVAL, reason)
		}
	}
	return allow(op)
}

// staysInside reports whether a target, read in a directory depth levels below
// the mount root, can only lead to the top-level entry it is in or below it.
//
// ".." counts only at the start of the target. There it climbs real
// directories, those of SymlinkRequest.Depth. After a name it would climb
// from wherever that name leads, and that may be a second link: with
// t/x/y/up -> "../..", which stays inside, t/out -> "x/y/up/.." is t/x/y by its
// letters and the mount root in truth. Without it, each step down stays inside
// by the same rule, and so does any chain of links.
func staysInside(rawTarget string, depth int) bool {
	if rawTarget == "" || rawTarget[0] == '/' {
		return false
	}
	descended := false
	for rest, more := rawTarget, true; more; {
		var component string
		component, rest, more = strings.Cut(rest, "/")
		switch component {
		case "", ".":
		case "..":
			if descended {
				return false
			}
			depth--
		default:
			descended = true
		}
	}
	return depth >= 1
}
