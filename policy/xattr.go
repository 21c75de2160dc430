package policy

import (
	"strings"
	"syscall"
)

// ReservedXattrs is the prefix of the attributes that the filesystem itself
// provides, such as user.safetmp.name. They can be read and never written.
const ReservedXattrs = userXattrs + "safetmp."

// The limits of xattr(7), in bytes.
const (
	maxXattrName  = 255
	maxXattrValue = 64 << 10
)

const userXattrs = "user."

const (
	reasonNamespace = "only user.* attributes are stored"
	reasonReserved  = "user.safetmp.* attributes are read-only"
	reasonNoXattrs  = "extended attributes are not allowed"
)

// SetXattr decides about writing an extended attribute with a value of size
// bytes, see setxattr(2). POSIX ACLs (system.*), security.* and trusted.* are
// EOPNOTSUPP in every profile: no mode is wider than its mode bits say, and no
// file carries capabilities. EPERM for [ReservedXattrs].
func (p *Policy) SetXattr(rawName string, size int) Decision {
	d := p.set.setXattr(rawName, size)
	if p.warns(d) {
		return d.letThrough(unenforced.setXattr(rawName, size))
	}
	return d
}

// RemoveXattr decides about removing an extended attribute, see
// removexattr(2), by the rules of SetXattr.
func (p *Policy) RemoveXattr(rawName string) Decision {
	d := p.set.writeXattr("removexattr", rawName)
	if p.warns(d) {
		return d.letThrough(unenforced.writeXattr("removexattr", rawName))
	}
	return d
}

// Xattr decides about reading an extended attribute, see getxattr(2).
//
// Its refusals carry [RuleFilesystem], for nothing was attempted: ls(1) asks
// each file for its ACL, and the kernel for security.capability.
func (p *Policy) Xattr(rawName string) Decision {
	const op = "getxattr"
	if d := xattrName(op, rawName); d.Verdict == Refuse {
		return d
	}
	if !strings.HasPrefix(rawName, userXattrs) {
		return refuse(op, RuleFilesystem, syscall.EOPNOTSUPP, reasonNamespace)
	}
	if p.set[idXattrs] == xattrsNone && p.Enforcing() && !strings.HasPrefix(rawName, ReservedXattrs) {
		return refuse(op, RuleFilesystem, syscall.EOPNOTSUPP, reasonNoXattrs)
	}
	return allow(op)
}

func (s *settings) setXattr(rawName string, size int) Decision {
	const op = "setxattr"
	d := s.writeXattr(op, rawName)
	if d.Verdict != Refuse && (size < 0 || size > maxXattrValue) {
		return refuse(op, RuleFilesystem, syscall.E2BIG, "the value is larger than 64 KiB")
	}
	return d
}

func (s *settings) writeXattr(op, rawName string) Decision {
	if d := xattrName(op, rawName); d.Verdict == Refuse {
		return d
	}
	switch {
	case !strings.HasPrefix(rawName, userXattrs):
		return refuse(op, RuleXattrs, syscall.EOPNOTSUPP, reasonNamespace)
	case strings.HasPrefix(rawName, ReservedXattrs):
		return refuse(op, RuleFilesystem, syscall.EPERM, reasonReserved)
	case s[idXattrs] == xattrsNone:
		return refuse(op, RuleXattrs, syscall.EOPNOTSUPP, reasonNoXattrs)
	}
	return allow(op)
}

// xattrName decides about the form of an attribute name, as the kernel does
// before it asks a filesystem.
func xattrName(op, rawName string) Decision {
	switch {
	case rawName == "" || len(rawName) > maxXattrName:
		return refuse(op, RuleFilesystem, syscall.ERANGE, "an attribute name has 1 to 255 bytes")
	case rawName == userXattrs || strings.IndexByte(rawName, 0) >= 0:
		return refuse(op, RuleFilesystem, syscall.EINVAL, "malformed attribute name")
	}
	return allow(op)
}
