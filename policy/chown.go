package policy

import "syscall"

// ChownRequest asks for another owner or group, see chown(2).
type ChownRequest struct {
	// CallerUID is the uid of the calling process, as the daemon sees it.
	CallerUID uint32
	// Shared is set when the mount serves several uids.
	Shared bool
	// Checked is set when the kernel has held the request against chown(2): what takes CAP_CHOWN comes from one who has
	// it, for the ids of a user namespace perhaps, whose root is not uid 0 here.
	Checked bool
	// OldUID and OldGID are the present owner and group.
	OldUID, OldGID uint32
	// NewUID and NewGID are those asked for, where SetUID and SetGID are set.
	NewUID, NewGID uint32
	// SetUID and SetGID say which of the two is to change.
	SetUID, SetGID bool
}

// Chown decides about another owner or group. Asking for what is there already
// is always allowed: tar(1) and install(1) do so for each file. Everything else
// is EPERM unless the rule lets the caller do it.
//
// FUSE requests carry no capabilities: privileged is uid 0, and whom the kernel
// has found to be.
func (p *Policy) Chown(r ChownRequest) Decision {
	d := p.set.chown(r)
	if p.warns(d) {
		return d.letThrough(unenforced.chown(r))
	}
	return d
}

func (s *settings) chown(r ChownRequest) Decision {
	const op = "chown"
	newUID := r.SetUID && r.NewUID != r.OldUID
	newGID := r.SetGID && r.NewGID != r.OldGID
	switch {
	case !newUID && !newGID:
		return allow(op)
	case s[idChown] == chownAllow:
		return chownAsDocumented(op, r, newUID)
	case s[idChown] == chownSharedRoot && r.Shared && r.privileged(newUID):
		return allow(op)
	case s[idChown] == chownSharedRoot:
		return refuse(op, RuleChown, syscall.EPERM, "only root on a shared mount may change owners")
	}
	return refuse(op, RuleChown, syscall.EPERM, "owners and groups cannot be changed")
}

// privileged says whether the caller may do what takes CAP_CHOWN. An owner who
// changes the group alone shows no capability: chown(2) permits that to all.
func (r ChownRequest) privileged(newUID bool) bool {
	return r.CallerUID == 0 || r.Checked && (newUID || r.CallerUID != r.OldUID)
}

// chownAsDocumented holds a request to chown(2): root changes anything, an
// owner the group. That the owner belongs to the new group has been checked by
// the kernel, which alone knows the caller's groups.
func chownAsDocumented(op string, r ChownRequest, newUID bool) Decision {
	if r.privileged(newUID) || !newUID && r.CallerUID == r.OldUID {
		return allow(op)
	}
	return refuse(op, RuleFilesystem, syscall.EPERM, "only root may change the owner, only root or the owner the group")
}
