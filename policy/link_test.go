package policy_test

import (
	"syscall"
	"testing"

	"safetmp/policy"
)

func TestLink(t *testing.T) {
	const owner, other, root = 1000, 1001, 0
	refuse := func(errno syscall.Errno) outcome { return refused(policy.RuleHardlinks, errno) }
	tests := []struct {
		name          string
		r             policy.LinkRequest
		strict, owner outcome
	}{
		{"own file", policy.LinkRequest{CallerUID: owner, SameTop: true}, refuse(syscall.EPERM), allowed},
		{"own file elsewhere", policy.LinkRequest{CallerUID: owner}, refuse(syscall.EPERM), refuse(syscall.EXDEV)},
		{"another's file", policy.LinkRequest{CallerUID: other, SameTop: true}, refuse(syscall.EPERM), refuse(syscall.EPERM)},
		{"another's file elsewhere", policy.LinkRequest{CallerUID: other}, refuse(syscall.EPERM), refuse(syscall.EPERM)},
		{"root is no exception", policy.LinkRequest{CallerUID: root, SameTop: true}, refuse(syscall.EPERM), refuse(syscall.EPERM)},
		{"first name of own file", policy.LinkRequest{CallerUID: owner, Tmpfile: true}, allowed, allowed},
		{"first name of another's file", policy.LinkRequest{CallerUID: other, Tmpfile: true}, refuse(syscall.EPERM), refuse(syscall.EPERM)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.OwnerUID, tt.r.Kind = owner, policy.KindRegular
			requireOutcome(t, tt.strict, build(t, policy.ProfileStrict).Link(tt.r))
			requireOutcome(t, tt.owner, build(t, policy.ProfileTmpdir).Link(tt.r))
			requireOutcome(t, tt.owner, build(t, policy.ProfileCompat).Link(tt.r))
			requireOutcome(t, allowed, build(t, policy.ProfilePosix).Link(tt.r))
		})
	}
}

func TestLinkDirectory(t *testing.T) {
	for _, profile := range policy.Profiles() {
		r := policy.LinkRequest{Kind: policy.KindDirectory, SameTop: true}
		requireOutcome(t, refused(policy.RuleFilesystem, syscall.EPERM), build(t, profile).Link(r))
	}
}

// A second name nearer to the mount root would let the target leave.
func TestLinkSymlink(t *testing.T) {
	r := policy.LinkRequest{Kind: policy.KindSymlink, SameTop: true}
	eperm := refused(policy.RuleSymlinks, syscall.EPERM)
	for _, profile := range policy.Profiles() {
		for _, setting := range []string{"symlinks=refuse", "symlinks=inside"} {
			requireOutcome(t, eperm, build(t, profile, setting, "hardlinks=allow").Link(r))
		}
	}
	requireOutcome(t, eperm, build(t, policy.ProfileCompat).Link(r))
	requireOutcome(t, allowed, build(t, policy.ProfileCompat, "symlinks=allow").Link(r))
	requireOutcome(t, allowed, build(t, policy.ProfilePosix).Link(r))
}

// Without hard links a file can still get its first name, unless that is
// refused as well.
func TestTmpfileLinkIsARuleOfItsOwn(t *testing.T) {
	r := policy.LinkRequest{Kind: policy.KindRegular, Tmpfile: true}
	requireOutcome(t, allowed, build(t, policy.ProfilePosix, "hardlinks=refuse").Link(r))
	requireOutcome(t, refused(policy.RuleTmpfileLink, syscall.EPERM), build(t, policy.ProfilePosix, "tmpfile-link=refuse").Link(r))
	r.Tmpfile = false
	requireOutcome(t, allowed, build(t, policy.ProfilePosix, "tmpfile-link=refuse").Link(r))
}
