package policy_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

func TestWarnLetsThroughAndTells(t *testing.T) {
	p := build(t, policy.ProfileStrict, "enforce=warn")
	require.False(t, p.Enforcing())
	tests := []struct {
		name  string
		d     policy.Decision
		mode  uint32
		rule  policy.Rule
		errno syscall.Errno
	}{
		{"symlink", p.Symlink(policy.SymlinkRequest{RawTarget: "/etc"}), 0, policy.RuleSymlinks, syscall.EPERM},
		{"readlink", p.Readlink(policy.SymlinkRequest{RawTarget: "/etc"}), 0, policy.RuleSymlinks, syscall.EACCES},
		{"link", p.Link(policy.LinkRequest{Kind: policy.KindRegular, CallerUID: 1}), 0, policy.RuleHardlinks, syscall.EPERM},
		{"fifo", p.Create(create(policy.KindFIFO, 0o666)), 0o666, policy.RuleSpecial, syscall.EPERM},
		{"mode", p.Create(create(policy.KindRegular, 0o4755)), 0o4755, policy.RuleSetID, 0},
		{"chmod", p.Chmod(policy.ChmodRequest{Kind: policy.KindRegular, RawMode: 0o755}), 0o755, policy.RuleModes, syscall.EPERM},
		{"chown", p.Chown(policy.ChownRequest{SetUID: true, NewUID: 1}), 0, policy.RuleChown, syscall.EPERM},
		{"name", p.Name("rename", "a\n"), 0, policy.RuleNameCheck, syscall.EINVAL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.True(t, tt.d.Warned)
			assert.Equal(t, outcome{policy.Allow, tt.mode, tt.rule, tt.errno}, outcome{tt.d.Verdict, tt.d.Mode, tt.d.Rule, tt.d.Errno})
			assertWellFormed(t, tt.d)
		})
	}
}

// What any filesystem refuses stays refused, and so do the kinds and
// namespaces that no profile has.
func TestWarnIsNotWeakerThanPosix(t *testing.T) {
	p := build(t, policy.ProfileStrict, "enforce=warn")
	requireOutcome(t, refused(policy.RuleDevices, syscall.EPERM), p.Create(create(policy.KindBlockDevice, 0o600)))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EINVAL), p.Name("mkdir", ".."))
	requireOutcome(t, refused(policy.RuleXattrs, syscall.EOPNOTSUPP), p.SetXattr("system.posix_acl_access", 4))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EPERM), p.Link(policy.LinkRequest{Kind: policy.KindDirectory}))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EPERM), p.Chown(policy.ChownRequest{CallerUID: 5, SetUID: true, NewUID: 1}))
	// A kind that is let through does not let its name through.
	r := policy.CreateRequest{Op: "mknod", Kind: policy.KindFIFO, RawName: "a/b"}
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EINVAL), p.Create(r))
}

func TestWarnDoesNotMentionWhatIsAllowed(t *testing.T) {
	p := build(t, policy.ProfileTmpdir, "enforce=warn")
	requireOutcome(t, allowedMode(0o600), p.Create(create(policy.KindRegular, 0o600)))
	requireOutcome(t, allowed, p.Name("mkdir", "a"))
}

// The kernel would refuse unseen what warn mode is to let through.
func TestWarnTakesRefusingMountFlagsAway(t *testing.T) {
	p := build(t, policy.ProfileStrict, "enforce=warn")
	assert.False(t, p.NoExecMount())
	assert.False(t, p.NoSymfollowMount())
	assert.True(t, p.NamingRoot(true), "names are assigned all the same")
}
