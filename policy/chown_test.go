package policy_test

import (
	"syscall"
	"testing"

	"safetmp/policy"
)

func TestChownToTheSameIsAllowed(t *testing.T) {
	requests := []policy.ChownRequest{
		{},
		{CallerUID: 7, OldUID: 7, NewUID: 7, SetUID: true},
		{CallerUID: 7, OldGID: 8, NewGID: 8, SetGID: true},
		{CallerUID: 9, OldUID: 7, NewUID: 7, OldGID: 8, NewGID: 8, SetUID: true, SetGID: true},
		// Values that are not to be set do not count.
		{CallerUID: 7, OldUID: 7, NewUID: 1, OldGID: 8, NewGID: 1},
	}
	for _, profile := range policy.Profiles() {
		for _, r := range requests {
			requireOutcome(t, allowed, build(t, profile).Chown(r))
		}
	}
}

func TestChownGroup(t *testing.T) {
	r := policy.ChownRequest{CallerUID: 7, Shared: true, OldUID: 7, OldGID: 7, NewGID: 8, SetGID: true}
	requireOutcome(t, refused(policy.RuleChown, syscall.EPERM), build(t, policy.ProfileTmpdir).Chown(r))
	requireOutcome(t, allowed, build(t, policy.ProfilePosix).Chown(r))
	r.CallerUID = 9
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EPERM), build(t, policy.ProfilePosix).Chown(r))
	r.Checked = true
	requireOutcome(t, allowed, build(t, policy.ProfileTmpdir).Chown(r)) // of somebody else's file: that takes the capability
	r.CallerUID = 7
	requireOutcome(t, refused(policy.RuleChown, syscall.EPERM), build(t, policy.ProfileTmpdir).Chown(r))
	r.CallerUID = 0
	requireOutcome(t, allowed, build(t, policy.ProfileTmpdir).Chown(r))
	requireOutcome(t, refused(policy.RuleChown, syscall.EPERM), build(t, policy.ProfileStrict).Chown(r))
	r.Shared = false
	requireOutcome(t, refused(policy.RuleChown, syscall.EPERM), build(t, policy.ProfileTmpdir).Chown(r))
}

// An owner who gives the group and the owner away at once does the second.
func TestChownBoth(t *testing.T) {
	r := policy.ChownRequest{CallerUID: 7, OldUID: 7, OldGID: 7, NewUID: 8, NewGID: 8, SetUID: true, SetGID: true}
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EPERM), build(t, policy.ProfilePosix).Chown(r))
}
