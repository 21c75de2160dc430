package policy_test

import (
	"strings"
	"syscall"
	"testing"

	"safetmp/policy"
)

func TestXattrNamespaces(t *testing.T) {
	foreign := []string{
		"system.posix_acl_access", "system.posix_acl_default", "security.capability", "security.selinux", "security.ima",
		"trusted.overlay.opaque", "user", "User.a", "os2.a", "a", ".",
	}
	for _, profile := range policy.Profiles() {
		for _, settings := range [][]string{nil, {"enforce=warn"}} {
			p := build(t, profile, settings...)
			for _, name := range foreign {
				requireOutcome(t, refused(policy.RuleXattrs, syscall.EOPNOTSUPP), p.SetXattr(name, 0))
				requireOutcome(t, refused(policy.RuleXattrs, syscall.EOPNOTSUPP), p.RemoveXattr(name))
				requireOutcome(t, refused(policy.RuleFilesystem, syscall.EOPNOTSUPP), p.Xattr(name))
			}
			requireOutcome(t, allowed, p.SetXattr("user.a", 0))
			requireOutcome(t, allowed, p.RemoveXattr("user.a"))
			requireOutcome(t, allowed, p.Xattr("user.a"))
		}
	}
}

func TestXattrsNone(t *testing.T) {
	p := build(t, policy.ProfileTmpdir, "xattrs=none")
	requireOutcome(t, refused(policy.RuleXattrs, syscall.EOPNOTSUPP), p.SetXattr("user.a", 0))
	requireOutcome(t, refused(policy.RuleXattrs, syscall.EOPNOTSUPP), p.RemoveXattr("user.a"))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EOPNOTSUPP), p.Xattr("user.a"))
	requireOutcome(t, allowed, p.Xattr("user.safetmp.name"))
	requireOutcome(t, allowed, build(t, policy.ProfileTmpdir, "xattrs=none", "enforce=warn").Xattr("user.a"))
}

func TestXattrReserved(t *testing.T) {
	for _, profile := range policy.Profiles() {
		for _, settings := range [][]string{nil, {"enforce=warn"}, {"xattrs=none"}} {
			p := build(t, profile, settings...)
			requireOutcome(t, allowed, p.Xattr(policy.ReservedXattrs+"name"))
			requireOutcome(t, refused(policy.RuleFilesystem, syscall.EPERM), p.SetXattr(policy.ReservedXattrs+"name", 1))
			requireOutcome(t, refused(policy.RuleFilesystem, syscall.EPERM), p.RemoveXattr(policy.ReservedXattrs+"other"))
		}
	}
	requireOutcome(t, allowed, build(t, policy.ProfileStrict).SetXattr("user.safetmpx", 1))
}

func TestXattrLimits(t *testing.T) {
	p := build(t, policy.ProfileTmpdir)
	longest := "user." + strings.Repeat("a", 250)
	requireOutcome(t, allowed, p.SetXattr(longest, 64<<10))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.E2BIG), p.SetXattr(longest, 64<<10+1))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.E2BIG), p.SetXattr(longest, -1))
	tooLong, empty, nul := longest+"a", "user.", "user.a\x00b"
	for _, ask := range []func(string) policy.Decision{
		p.Xattr, p.RemoveXattr, func(name string) policy.Decision { return p.SetXattr(name, 0) },
	} {
		requireOutcome(t, refused(policy.RuleFilesystem, syscall.ERANGE), ask(tooLong))
		requireOutcome(t, refused(policy.RuleFilesystem, syscall.ERANGE), ask(""))
		requireOutcome(t, refused(policy.RuleFilesystem, syscall.EINVAL), ask(empty))
		requireOutcome(t, refused(policy.RuleFilesystem, syscall.EINVAL), ask(nul))
	}
}
