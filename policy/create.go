package policy

import "syscall"

// OpTmpfile is the operation of open(2) with O_TMPFILE, the only one that may
// create without a name.
const OpTmpfile = "tmpfile"

// CreateRequest asks for a new node: open(2) with O_CREAT or O_TMPFILE,
// mkdir(2), mknod(2), bind(2), and symlink(2) beside [Policy.Symlink].
type CreateRequest struct {
	// Op is the operation for decisions and logs, such as "mkdir".
	Op string
	// Kind is the kind of node asked for.
	Kind Kind
	// RawName is the requested name as it came, empty for OpTmpfile alone.
	RawName string
	// RawMode is the mode asked for, after the umask. File type bits are
	// ignored.
	RawMode uint32
}

// Create decides about a new node: its kind, then its name, then its mode.
//
// A mode that asks for too much is masked and never refused, since programs ask
// for 0666 and leave the rest to the umask. Errnos: EPERM for a kind that is
// refused, those of [Policy.Name], EINVAL for a kind that is none.
func (p *Policy) Create(r CreateRequest) Decision {
	d := p.set.create(r)
	if p.warns(d) {
		return d.letThrough(unenforced.create(r))
	}
	return d
}

func (s *settings) create(r CreateRequest) Decision {
	if d := s.kind(r.Op, r.Kind); d.Verdict == Refuse {
		return d
	}
	if r.RawName != "" || r.Op != OpTmpfile {
		if d := s.name(r.Op, r.RawName); d.Verdict == Refuse {
			return d
		}
	}
	return s.mode(r.Op, r.Kind, r.RawMode)
}

// kind decides whether nodes of a kind can be made at all.
func (s *settings) kind(op string, kind Kind) Decision {
	switch kind {
	case KindRegular, KindDirectory:
		return allow(op)
	case KindSymlink:
		if s[idSymlinks] == symlinksRefuse {
			return refuse(op, RuleSymlinks, syscall.EPERM, reasonSymlinks)
		}
		return allow(op)
	case KindFIFO, KindSocket:
		if s[idSpecial] == specialRefuse {
			return refuse(op, RuleSpecial, syscall.EPERM, "fifos and sockets are not allowed")
		}
		return allow(op)
	case KindCharDevice, KindBlockDevice:
		return refuse(op, RuleDevices, syscall.EPERM, "device nodes are never allowed")
	}
	return refuse(op, RuleFilesystem, syscall.EINVAL, "no such kind of node")
}
