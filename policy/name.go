package policy

import (
	"strings"
	"syscall"
)

// MaxName is the longest name of an entry in bytes, NAME_MAX of limits.h.
const MaxName = 255

// Name decides about a requested name: the new name of rename(2) or link(2),
// or of symlink(2) beside [Policy.Symlink]. [Policy.Create] does it for new
// nodes.
//
// ENAMETOOLONG above [MaxName] bytes. EINVAL for names that no Linux filesystem
// stores (empty, ".", "..", with a slash or NUL) and for those that rule
// name-check refuses: open(2) and mkdir(2) document it for "characters not
// permitted by the underlying filesystem", and tmpfs itself answers so to
// broken UTF-8 when mounted with strict_encoding.
func (p *Policy) Name(op, rawName string) Decision {
	d := p.set.name(op, rawName)
	if p.warns(d) {
		return d.letThrough(unenforced.name(op, rawName))
	}
	return d
}

func (s *settings) name(op, rawName string) Decision {
	switch {
	case len(rawName) > MaxName:
		return refuse(op, RuleFilesystem, syscall.ENAMETOOLONG, "the name is longer than 255 bytes")
	case rawName == "" || rawName == "." || rawName == "..":
		return refuse(op, RuleFilesystem, syscall.EINVAL, "the name is empty or reserved")
	case strings.IndexByte(rawName, '/') >= 0 || strings.IndexByte(rawName, 0) >= 0:
		return refuse(op, RuleFilesystem, syscall.EINVAL, "the name holds a slash or a NUL byte")
	}
	if reason := unsafeName(rawName, s[idNameCheck]); reason != "" {
		return refuse(op, RuleNameCheck, syscall.EINVAL, reason)
	}
	return allow(op)
}
