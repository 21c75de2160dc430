package policy

import "syscall"

// LinkRequest asks for another name of an existing file, see link(2). The new
// name itself is judged by [Policy.Name].
type LinkRequest struct {
	// CallerUID is the uid of the calling process.
	CallerUID uint32
	// OwnerUID is the owner of the file.
	OwnerUID uint32
	// Kind is the kind of the file.
	Kind Kind
	// SameTop is set when the directory of the new name is the naming root
	// that the file is in, or lies below it.
	SameTop bool
	// Tmpfile is set when the file has no name yet: linkat(2) of a file opened
	// with O_TMPFILE.
	Tmpfile bool
}

// Link decides about another name of a file.
//
// EPERM when links are refused or the file is somebody else's; root is no
// exception. EXDEV when the new name would lie elsewhere, so that cp(1) and
// git(1) fall back to a copy, as across fscrypt policies.
//
// A symbolic link gets no second name unless symlinks=allow, EPERM. Where its
// target leads depends on the directory it is in, and with names in two of them
// [Policy.Readlink] could not tell which one a walk came through.
func (p *Policy) Link(r LinkRequest) Decision {
	d := p.set.link(r)
	if p.warns(d) {
		return d.letThrough(unenforced.link(r))
	}
	return d
}

func (s *settings) link(r LinkRequest) Decision {
	const op = "link"
	rule := s[idHardlinks]
	switch {
	case r.Kind == KindDirectory:
		return refuse(op, RuleFilesystem, syscall.EPERM, "directories have one name")
	case r.Kind == KindSymlink && s[idSymlinks] != symlinksAllow:
		return refuse(op, RuleSymlinks, syscall.EPERM, "a symbolic link has one name")
	case r.Tmpfile && s[idTmpfileLink] == tmpfileLinkRefuse:
		return refuse(op, RuleTmpfileLink, syscall.EPERM, "files made with O_TMPFILE stay without a name")
	case !r.Tmpfile && rule == hardlinksRefuse:
		return refuse(op, RuleHardlinks, syscall.EPERM, "hard links are not allowed")
	case rule != hardlinksAllow && r.CallerUID != r.OwnerUID:
		return refuse(op, RuleHardlinks, syscall.EPERM, "only its owner may link a file")
	case rule == hardlinksOwner && !r.Tmpfile && !r.SameTop:
		return refuse(op, RuleHardlinks, syscall.EXDEV, "hard links stay in the naming root of the file")
	}
	return allow(op)
}
