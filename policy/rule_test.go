package policy_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// TestEachRuleAlone sets one rule at a time over the profile that is furthest
// from it, and asks a question whose answer each value changes.
func TestEachRuleAlone(t *testing.T) {
	file := func(rawMode uint32) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision { return p.Create(create(policy.KindRegular, rawMode)) }
	}
	chmod := func(rawMode uint32) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision {
			return p.Chmod(policy.ChmodRequest{Kind: policy.KindRegular, RawMode: rawMode})
		}
	}
	symlink := func(target string) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision {
			return p.Symlink(policy.SymlinkRequest{RawTarget: target, Depth: 1})
		}
	}
	link := func(r policy.LinkRequest) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision { return p.Link(r) }
	}
	chown := func(r policy.ChownRequest) func(*policy.Policy) policy.Decision {
		r.SetUID, r.OldUID, r.NewUID = true, 1, 2
		return func(p *policy.Policy) policy.Decision { return p.Chown(r) }
	}
	name := func(rawName string) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision { return p.Name("mkdir", rawName) }
	}
	const strict, posix = policy.ProfileStrict, policy.ProfilePosix
	tests := []struct {
		profile policy.Profile
		setting string
		ask     func(*policy.Policy) policy.Decision
		want    outcome
	}{
		{posix, "symlinks=refuse", symlink("a"), refused(policy.RuleSymlinks, syscall.EPERM)},
		{strict, "symlinks=inside", symlink("a"), allowed},
		{posix, "symlinks=inside", symlink("/a"), refused(policy.RuleSymlinks, syscall.EPERM)},
		{strict, "symlinks=allow", symlink("/a"), allowed},
		{posix, "hardlinks=refuse", link(policy.LinkRequest{SameTop: true}), refused(policy.RuleHardlinks, syscall.EPERM)},
		{strict, "hardlinks=owner", link(policy.LinkRequest{SameTop: true}), allowed},
		{posix, "hardlinks=owner", link(policy.LinkRequest{CallerUID: 1, SameTop: true}), refused(policy.RuleHardlinks, syscall.EPERM)},
		{strict, "hardlinks=allow", link(policy.LinkRequest{CallerUID: 1}), allowed},
		{posix, "tmpfile-link=refuse", link(policy.LinkRequest{Tmpfile: true}), refused(policy.RuleTmpfileLink, syscall.EPERM)},
		{strict, "tmpfile-link=allow", link(policy.LinkRequest{Tmpfile: true}), allowed},
		{posix, "special=refuse", func(p *policy.Policy) policy.Decision { return p.Create(create(policy.KindFIFO, 0)) }, refused(policy.RuleSpecial, syscall.EPERM)},
		{strict, "special=allow", func(p *policy.Policy) policy.Decision { return p.Create(create(policy.KindSocket, 0)) }, allowed},
		{posix, "modes=strict", chmod(0o644), refused(policy.RuleModes, syscall.EPERM)},
		{posix, "modes=mask", chmod(0o644), changed(0o600, policy.RuleModes)},
		{strict, "modes=mask", chmod(0o644), changed(0o600, policy.RuleModes)},
		{strict, "modes=keep", chmod(0o644), allowedMode(0o644)},
		{posix, "setid=refuse", chmod(0o6644), changed(0o644, policy.RuleSetID)},
		{strict, "setid=keep", file(0o4600), allowedMode(0o4600)},
		{posix, "exec=none", file(0o755), changed(0o644, policy.RuleExec)},
		{posix, "exec=owner", file(0o755), changed(0o744, policy.RuleExec)},
		{strict, "exec=owner", file(0o700), allowedMode(0o700)},
		{strict, "exec=keep", file(0o700), allowedMode(0o700)},
		{posix, "chown=refuse", chown(policy.ChownRequest{Shared: true}), refused(policy.RuleChown, syscall.EPERM)},
		{posix, "chown=shared-root", chown(policy.ChownRequest{}), refused(policy.RuleChown, syscall.EPERM)},
		{strict, "chown=shared-root", chown(policy.ChownRequest{Shared: true}), allowed},
		{strict, "chown=allow", chown(policy.ChownRequest{}), allowed},
		{posix, "xattrs=none", func(p *policy.Policy) policy.Decision { return p.SetXattr("user.a", 0) }, refused(policy.RuleXattrs, syscall.EOPNOTSUPP)},
		{posix, "name-check=shell", name("a*"), refused(policy.RuleNameCheck, syscall.EINVAL)},
		{posix, "name-check=utf8", name("a\xff"), refused(policy.RuleNameCheck, syscall.EINVAL)},
		{posix, "name-check=control", name("a\t"), refused(policy.RuleNameCheck, syscall.EINVAL)},
		{strict, "name-check=utf8", name("a*"), allowed},
		{strict, "name-check=control", name("a\xff"), allowed},
		{strict, "name-check=none", name("a\t"), allowed},
	}
	for _, tt := range tests {
		t.Run(string(tt.profile)+"/"+tt.setting, func(t *testing.T) {
			requireOutcome(t, tt.want, tt.ask(build(t, tt.profile, tt.setting)))
		})
	}
}

func TestRulesThatShapeTheMount(t *testing.T) {
	assert.True(t, build(t, policy.ProfilePosix, "names=all").NamingRoot(false))
	assert.False(t, build(t, policy.ProfileStrict, "names=root").NamingRoot(false))
	assert.True(t, build(t, policy.ProfilePosix, "names=root").NamingRoot(true))
	assert.False(t, build(t, policy.ProfileStrict, "names=requested").NamingRoot(true))
	assert.Equal(t, policy.ListingOwn, build(t, policy.ProfileStrict, "listing=own").Listing())
	assert.Equal(t, policy.ScopeSession, build(t, policy.ProfilePosix, "scope=session").Scope())
	assert.False(t, build(t, policy.ProfileStrict, "enforce=warn").Enforcing())
	assert.True(t, build(t, policy.ProfilePosix, "exec=none").NoExecMount())
	assert.False(t, build(t, policy.ProfileStrict, "exec=owner").NoExecMount())
	assert.True(t, build(t, policy.ProfilePosix, "symlinks=refuse").NoSymfollowMount())
	assert.False(t, build(t, policy.ProfileStrict, "symlinks=inside").NoSymfollowMount())
	assert.Equal(t, "own", policy.ListingOwn.String())
	assert.Equal(t, "session", policy.ScopeSession.String())
}

// Every value that Rules lists can be set and is described as it was set.
func TestEachValueCanBeSet(t *testing.T) {
	for i, info := range policy.Rules() {
		require.NotEmpty(t, info.Values)
		assert.NotEmpty(t, info.Meaning)
		for rank, value := range info.Values {
			p := build(t, policy.ProfileTmpdir, string(info.Rule)+"="+value)
			want := policy.Setting{Rule: info.Rule, Value: value, Source: "--rule", Safest: rank == 0}
			assert.Equal(t, want, p.Describe()[i])
		}
	}
}

func TestRulesReturnsACopy(t *testing.T) {
	policy.Rules()[0].Values[0] = "gone"
	assert.Equal(t, "refuse", policy.Rules()[0].Values[0])
}

func TestParseSettingErrors(t *testing.T) {
	const rules = "symlinks, hardlinks, tmpfile-link, devices, special, modes, setid, exec, chown, xattrs, names, name-check, listing, scope, enforce"
	tests := []struct{ setting, want string }{
		{"symlinks", `--rule: no value in "symlinks" (RULE=VALUE; rules: ` + rules + ")"},
		{"", `--rule: no value in "" (RULE=VALUE; rules: ` + rules + ")"},
		{"symlink=refuse", `--rule: unknown rule "symlink" (rules: ` + rules + ")"},
		{"filesystem=on", `--rule: unknown rule "filesystem" (rules: ` + rules + ")"},
		{"profile=strict", `--rule: unknown rule "profile" (rules: ` + rules + ")"},
		{"symlinks=", `--rule: rule symlinks has no value "" (values: refuse, inside, allow)`},
		{"symlinks=Refuse", `--rule: rule symlinks has no value "Refuse" (values: refuse, inside, allow)`},
		{"devices=allow", `--rule: rule devices has no value "allow" (values: refuse)`},
		{"a\nb=c", `--rule: unknown rule "a\nb" (rules: ` + rules + ")"},
	}
	for _, tt := range tests {
		_, err := policy.ParseSetting("--rule", tt.setting)
		var parseErr *policy.ParseError
		require.ErrorAs(t, err, &parseErr)
		assert.EqualError(t, err, tt.want)
	}
}
