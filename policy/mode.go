package policy

import "syscall"

// The groups of permission bits of inode(7).
const (
	permBits    = 0o7777
	setIDBits   = 0o7000 // set-user-ID, set-group-ID, sticky
	stickyBit   = 0o1000
	foreignBits = 0o0077 // group and other
	execBits    = 0o0111
	othersExec  = 0o0011
	othersWrite = 0o0022
	symlinkMode = 0o0777 // symlink(7): always so on Linux, and never looked at
)

const (
	reasonSetID = "set-user-ID, set-group-ID and sticky bits are not stored"
	reasonModes = "group and other permissions are not stored"
	reasonExec  = "execute permission of regular files is limited"
	reasonRoot  = "the mount root may not become wider than it was mounted"
)

// excess is a mode of which the rules may have taken something. Rule and reason
// tell the last rule that did, and are empty when none did.
type excess struct {
	mode   uint32
	rule   Rule
	reason string
}

// mode decides about the permission bits of a new node.
func (s *settings) mode(op string, kind Kind, rawMode uint32) Decision {
	if kind == KindSymlink {
		return Decision{Verdict: Allow, Op: op, Mode: symlinkMode}
	}
	e := s.limit(kind, rawMode)
	if e.rule == "" {
		return Decision{Verdict: Allow, Op: op, Mode: e.mode}
	}
	return Decision{Verdict: AllowChanged, Op: op, Mode: e.mode, Rule: e.rule, Reason: e.reason}
}

// limit takes from a mode what the rules setid, modes and exec do not let a
// node have. When several do, the reason is the gravest, in that order.
func (s *settings) limit(kind Kind, rawMode uint32) excess {
	e := excess{mode: rawMode & permBits}
	if kind == KindRegular {
		switch s[idExec] {
		case execNone:
			e.take(execBits, RuleExec, reasonExec)
		case execOwner:
			e.take(othersExec, RuleExec, reasonExec)
		}
	}
	if s[idModes] != modesKeep {
		// What exec took of these bits was asked for too: judge the raw mode.
		e.takeOf(rawMode, foreignBits, RuleModes, reasonModes)
	}
	if s[idSetID] == setIDRefuse {
		e.take(setIDBits, RuleSetID, reasonSetID)
	}
	return e
}

// take removes bits and, when any of them was set, notes who removed them.
func (e *excess) take(bits uint32, rule Rule, reason string) {
	e.takeOf(e.mode, bits, rule, reason)
}

// takeOf is take with the mode in which to look for the bits.
func (e *excess) takeOf(mode, bits uint32, rule Rule, reason string) {
	if mode&bits != 0 {
		e.rule, e.reason = rule, reason
	}
	e.mode &^= bits
}

// ChmodRequest asks for other permission bits, see chmod(2).
type ChmodRequest struct {
	// Kind is the kind of the node.
	Kind Kind
	// RawMode is the mode asked for. File type bits are ignored.
	RawMode uint32
	// MountRoot is set for the root directory of the mount.
	MountRoot bool
	// RootMode is the permission bits the mount root was mounted with; it has
	// a meaning with MountRoot alone.
	RootMode uint32
}

// Chmod decides about other permission bits of a node. Too much is masked, or
// refused with EPERM under modes=strict. EOPNOTSUPP for a symbolic link, as
// fchmodat(2) with AT_SYMLINK_NOFOLLOW.
//
// The mount root is held to the mode it was mounted with, not to 0700: a shared
// mount is 1733 by choice of who mounted it. Taking its sticky bit away while
// others can write counts as asking for more.
func (p *Policy) Chmod(r ChmodRequest) Decision {
	d := p.set.chmod(r)
	if p.warns(d) {
		return d.letThrough(unenforced.chmod(r))
	}
	return d
}

func (s *settings) chmod(r ChmodRequest) Decision {
	const op = "chmod"
	if r.Kind == KindSymlink {
		return refuse(op, RuleFilesystem, syscall.EOPNOTSUPP, "symbolic links have no mode of their own")
	}
	e := s.limit(r.Kind, r.RawMode)
	if r.MountRoot {
		e = s.limitRoot(r.RawMode, r.RootMode&permBits)
	}
	switch {
	case e.rule == "":
		return Decision{Verdict: Allow, Op: op, Mode: e.mode}
	case s[idModes] == modesStrict:
		return refuse(op, e.rule, syscall.EPERM, e.reason)
	}
	return Decision{Verdict: AllowChanged, Op: op, Mode: e.mode, Rule: e.rule, Reason: e.reason}
}

// limitRoot is limit for the mount root, which may have what it was mounted
// with whatever the rules say.
func (s *settings) limitRoot(rawMode, rootMode uint32) excess {
	permitted := rootMode
	if s[idModes] == modesKeep {
		permitted |= permBits &^ setIDBits
		if s[idSetID] == setIDKeep {
			permitted = permBits
		}
	}
	e := excess{mode: rawMode & permBits}
	e.take(permBits&^permitted, RuleModes, reasonRoot)
	lostSticky := rootMode&stickyBit != 0 && e.mode&stickyBit == 0
	if s[idModes] != modesKeep && lostSticky && e.mode&othersWrite != 0 {
		e.mode |= stickyBit
		e.rule, e.reason = RuleModes, reasonRoot
	}
	return e
}
