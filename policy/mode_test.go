package policy_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"safetmp/policy"
)

// The promise of the default profiles, for every mode there is: nobody but the
// owner gets anything, nothing is added, and what the owner asked for is kept.
func TestEveryModeIsOwnerOnly(t *testing.T) {
	for _, profile := range []policy.Profile{policy.ProfileStrict, policy.ProfileTmpdir, policy.ProfileCompat} {
		p := build(t, profile)
		owner := uint32(0o700)
		for _, kind := range []policy.Kind{policy.KindRegular, policy.KindDirectory} {
			if profile == policy.ProfileStrict && kind == policy.KindRegular {
				owner = 0o600
			}
			for mode := range uint32(0o10000) {
				d := p.Create(create(kind, mode))
				if d.Verdict == policy.Refuse || d.Mode != mode&owner || (d.Verdict == policy.Allow) != (d.Mode == mode) {
					t.Fatalf("%s, %v, mode %o: %+v", profile, kind, mode, d)
				}
			}
			owner = 0o700
		}
	}
}

func TestModeIgnoresFileType(t *testing.T) {
	p := build(t, policy.ProfileTmpdir)
	requireOutcome(t, allowedMode(0o600), p.Create(create(policy.KindRegular, syscall.S_IFREG|0o600)))
	requireOutcome(t, allowedMode(0o700), p.Chmod(policy.ChmodRequest{Kind: policy.KindDirectory, RawMode: syscall.S_IFDIR | 0o700}))
}

// When several rules take bits, the decision names the gravest.
func TestModeNamesGravestRule(t *testing.T) {
	p := build(t, policy.ProfileStrict)
	requireOutcome(t, changed(0o600, policy.RuleSetID), p.Create(create(policy.KindRegular, 0o6777)))
	requireOutcome(t, changed(0o600, policy.RuleModes), p.Create(create(policy.KindRegular, 0o777)))
	requireOutcome(t, changed(0o600, policy.RuleModes), p.Create(create(policy.KindRegular, 0o611)))
	requireOutcome(t, changed(0o600, policy.RuleExec), p.Create(create(policy.KindRegular, 0o700)))
}

func TestExecRuleIsAboutRegularFiles(t *testing.T) {
	p := build(t, policy.ProfilePosix, "exec=none")
	requireOutcome(t, allowedMode(0o755), p.Create(create(policy.KindDirectory, 0o755)))
	requireOutcome(t, allowedMode(0o777), p.Create(create(policy.KindSocket, 0o777)))
	requireOutcome(t, changed(0o644, policy.RuleExec), p.Create(create(policy.KindRegular, 0o755)))
}

func TestChmodSymlink(t *testing.T) {
	for _, profile := range policy.Profiles() {
		d := build(t, profile).Chmod(policy.ChmodRequest{Kind: policy.KindSymlink, RawMode: 0o600})
		requireOutcome(t, refused(policy.RuleFilesystem, syscall.EOPNOTSUPP), d)
	}
}

func TestChmodMountRoot(t *testing.T) {
	eperm := refused(policy.RuleModes, syscall.EPERM)
	tests := []struct {
		rootMode, rawMode uint32
		strict, tmpdir    outcome
	}{
		{0o700, 0o700, allowedMode(0o700), allowedMode(0o700)},
		{0o700, 0o500, allowedMode(0o500), allowedMode(0o500)},
		{0o700, 0o755, eperm, changed(0o700, policy.RuleModes)},
		{0o700, 0o1700, eperm, changed(0o700, policy.RuleModes)},
		{0o1733, 0o1733, allowedMode(0o1733), allowedMode(0o1733)},
		{0o1733, 0o1777, eperm, changed(0o1733, policy.RuleModes)},
		{0o1733, 0o700, allowedMode(0o700), allowedMode(0o700)},
		{0o1733, 0o711, allowedMode(0o711), allowedMode(0o711)},
		// Others could remove what is not theirs.
		{0o1733, 0o733, eperm, changed(0o1733, policy.RuleModes)},
		{0o1733, 0o713, eperm, changed(0o1713, policy.RuleModes)},
		// Who mounted it so chose so.
		{0o777, 0o733, allowedMode(0o733), allowedMode(0o733)},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%o to %o", tt.rootMode, tt.rawMode), func(t *testing.T) {
			r := policy.ChmodRequest{Kind: policy.KindDirectory, RawMode: tt.rawMode, MountRoot: true, RootMode: tt.rootMode}
			requireOutcome(t, tt.strict, build(t, policy.ProfileStrict).Chmod(r))
			requireOutcome(t, tt.tmpdir, build(t, policy.ProfileTmpdir).Chmod(r))
			requireOutcome(t, tt.tmpdir, build(t, policy.ProfileCompat).Chmod(r))
			requireOutcome(t, allowedMode(tt.rawMode), build(t, policy.ProfilePosix).Chmod(r))
		})
	}
}

// The sticky bit of a shared root protects: no rule takes it.
func TestChmodMountRootKeepsItsSticky(t *testing.T) {
	r := policy.ChmodRequest{Kind: policy.KindDirectory, RawMode: 0o1733, MountRoot: true, RootMode: 0o1733}
	p := build(t, policy.ProfilePosix, "setid=refuse")
	requireOutcome(t, allowedMode(0o1733), p.Chmod(r))
	r.RawMode = 0o7777
	requireOutcome(t, changed(0o1777, policy.RuleModes), p.Chmod(r))
}

func TestKindOfMode(t *testing.T) {
	tests := []struct {
		mode uint32
		kind policy.Kind
		text string
	}{
		{0, policy.KindRegular, "regular file"},
		{0o644, policy.KindRegular, "regular file"},
		{syscall.S_IFREG | 0o4755, policy.KindRegular, "regular file"},
		{syscall.S_IFDIR | 0o777, policy.KindDirectory, "directory"},
		{syscall.S_IFLNK, policy.KindSymlink, "symbolic link"},
		{syscall.S_IFIFO, policy.KindFIFO, "fifo"},
		{syscall.S_IFSOCK, policy.KindSocket, "socket"},
		{syscall.S_IFCHR, policy.KindCharDevice, "character device"},
		{syscall.S_IFBLK, policy.KindBlockDevice, "block device"},
	}
	for _, tt := range tests {
		kind, ok := policy.KindOfMode(tt.mode)
		assert.True(t, ok)
		assert.Equal(t, tt.kind, kind)
		assert.Equal(t, tt.text, kind.String())
	}
	for _, mode := range []uint32{0o030000, 0o050000, 0o160000, syscall.S_IFMT} {
		kind, ok := policy.KindOfMode(mode)
		assert.False(t, ok)
		assert.Zero(t, kind)
	}
	assert.Equal(t, "unknown kind", policy.Kind(0).String())
}
