package config

import (
	"cmp"
	"fmt"

	"safetmp/policy"
)

const (
	// leastInodes is the root and one file.
	leastInodes = 2
	// defaultPercent of memory, and of its pages for inodes, as tmpfs(5); also a user's default share of a shared mount.
	defaultPercent = 50
)

// Finish checks everything collected against each other and against the machine and returns complete Options, for
// which Policy succeeds. Mountpoint and Version are left to the caller.
//
// Errors: *UsageError, or a failure to read this machine's memory.
func (b *Builder) Finish() (Options, error) {
	if b.defaults != nil {
		return Options{}, b.defaults
	}
	o := Options{
		Source: cmp.Or(b.fsname, DefaultSource), Shared: b.shared && !b.private, NoSymfollow: b.noSymfollow,
		TTL: b.ttl, DeleteOnClose: b.deleteOnClose, OwnerExit: b.ownerExit, Transport: cmp.Or(b.transport, "auto"),
		PlainEventNames: b.plainEventNames,
		CheckModes:      b.checkModes,
	}
	for _, step := range []func(*Options) error{
		b.finishPolicy, b.finishOwner, b.finishRoot, b.finishMode, b.finishLimits, b.finishShares, b.finishSecrecy, b.finishIO,
	} {
		if err := step(&o); err != nil {
			return Options{}, err
		}
	}
	return o, nil
}

// finishPolicy reads the policy file and has policy judge all rules.
func (b *Builder) finishPolicy(o *Options) error {
	o.Profile, o.NameTemplate = b.profile, b.template
	o.Settings = append(b.settings, b.execSetting()...)
	if b.policyFile != "" {
		text, err := b.system.ReadFile(b.policyFile)
		if err != nil {
			return &UsageError{Source: b.policySource, Problem: err.Error(), Accepted: "a readable policy file"}
		}
		o.PolicyFile, o.PolicyText = b.policyFile, string(text)
	}
	return b.checkPolicy(o)
}

// execSetting turns the words exec and noexec into the rule; the safer of the two wins.
func (b *Builder) execSetting() []Setting {
	switch {
	case b.noexec != "":
		return []Setting{{Source: b.noexec, Value: "exec=none"}}
	case b.exec != "":
		return []Setting{{Source: b.exec, Value: "exec=owner"}}
	}
	return nil
}

// finishOwner settles who owns the mount. On a private mount the kernel compares all of a process's uids and gids with
// the owner's (fuse_allow_current_process), so a wrong group would lock the owner out: it is looked up, never guessed.
func (b *Builder) finishOwner(o *Options) error {
	o.UID, o.GID = b.system.EUID, b.system.EGID
	if b.uid != nil {
		o.UID = *b.uid
	}
	if o.UID != b.system.EUID && b.system.EUID != 0 {
		return &UsageError{b.uidSource, fmt.Sprintf("only root may mount for uid %d", o.UID), "your own uid"}
	}
	if b.gid != nil {
		o.GID = *b.gid
		return b.checkGroup(o.GID)
	}
	if o.UID == b.system.EUID {
		return nil
	}
	gid, known := b.system.PrimaryGroup(o.UID)
	if !known {
		return &UsageError{b.uidSource, fmt.Sprintf("the group of uid %d is not known here", o.UID), "uid together with gid"}
	}
	o.GID = gid
	return nil
}

// checkGroup refuses a foreign group to everyone but root.
func (b *Builder) checkGroup(gid uint32) error {
	if gid != b.system.EGID && b.system.EUID != 0 {
		return &UsageError{b.gidSource, fmt.Sprintf("only root may mount for gid %d", gid), "your own gid"}
	}
	return nil
}

// finishRoot settles whether root may enter a private mount. The kernel then lets everybody ask, and what keeps them out
// is that nobody but the owner may search the root directory: the policy must not let that be widened.
func (b *Builder) finishRoot(o *Options) error {
	if b.shareWithRoot == "" || b.private {
		return nil
	}
	o.Shared, o.ShareWithRoot = false, true
	if o.UID == 0 {
		return &UsageError{b.shareWithRoot, "root is the owner of the mount", "this option with uid, or as another user"}
	}
	p, err := o.Policy()
	if err != nil {
		return usageOf(err)
	}
	widened := p.Chmod(policy.ChmodRequest{
		Kind: policy.KindDirectory, RawMode: 0o777, MountRoot: true, RootMode: DefaultPrivateMode,
	})
	if widened.Verdict != policy.Refuse && widened.Mode&0o077 != 0 {
		return &UsageError{b.shareWithRoot, "the policy lets modes be widened, and only they keep other users out", "a profile that masks modes, and enforce=on"}
	}
	return nil
}

// finishMode settles the mode of the root directory.
func (b *Builder) finishMode(o *Options) error {
	o.Mode = DefaultPrivateMode
	if o.Shared {
		o.Mode = DefaultSharedMode
	}
	if b.mode == nil {
		return nil
	}
	o.Mode = *b.mode
	switch {
	case !o.Shared && !b.unmasked && o.Mode&0o077 != 0:
		return &UsageError{b.modeSource, fmt.Sprintf("%04o on a private mount, which only its owner may enter", o.Mode), "at most 0700, or shared as well"}
	case o.Shared && !b.unmasked && o.Mode&0o002 != 0 && o.Mode&0o1000 == 0:
		return &UsageError{b.modeSource, fmt.Sprintf("%04o lets users remove each other's files", o.Mode), "the sticky bit as well, such as 1733"}
	}
	return nil
}

// finishLimits settles size and inodes from the memory there is.
func (b *Builder) finishLimits(o *Options) error {
	memory, err := b.system.Memory()
	if err != nil {
		return err
	}
	usable := memory.Usable()
	if b.size == (amount{}) {
		b.size = amount{value: defaultPercent, percent: true}
	}
	o.SizeBytes = atLeastOnePage(b.size.of(usable))
	if o.SizeBytes > usable {
		return &UsageError{b.sizeSource, fmt.Sprintf("%d bytes are more than may be used here", o.SizeBytes), fmt.Sprintf("at most %d, or a percentage", usable)}
	}
	o.Inodes = b.inodes
	if o.Inodes == 0 {
		o.Inodes = max(usable/PageSize*defaultPercent/100, leastInodes)
	}
	return nil
}

// finishShares settles what one user of a shared mount may take.
func (b *Builder) finishShares(o *Options) error {
	if !o.Shared {
		if b.userSource != "" {
			return &UsageError{b.userSource, "a private mount has one user", "this option together with shared"}
		}
		return nil
	}
	if b.userSize == (amount{}) {
		b.userSize = amount{value: defaultPercent, percent: true}
	}
	o.UserSizeBytes = min(atLeastOnePage(b.userSize.of(o.SizeBytes)), o.SizeBytes)
	o.UserInodes = min(b.userInodes, o.Inodes)
	if b.userInodes == 0 {
		o.UserInodes = max(o.Inodes*defaultPercent/100, 1)
	}
	return nil
}

// atLeastOnePage rounds a resolved size down to whole pages, but never to nothing.
func atLeastOnePage(n int64) int64 { return max(n/PageSize*PageSize, PageSize) }
