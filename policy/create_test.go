package policy_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// The kind is judged before the name, and the name before the mode.
func TestCreateOrder(t *testing.T) {
	p := build(t, policy.ProfileStrict)
	r := policy.CreateRequest{Op: "mknod", Kind: policy.KindCharDevice, RawName: "a\n", RawMode: 0o777}
	requireOutcome(t, refused(policy.RuleDevices, syscall.EPERM), p.Create(r))
	r.Kind = policy.KindRegular
	requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), p.Create(r))
	r.RawName = "a"
	requireOutcome(t, changed(0o600, policy.RuleModes), p.Create(r))
}

func TestCreateNoSuchKind(t *testing.T) {
	for _, profile := range policy.Profiles() {
		for _, kind := range []policy.Kind{0, policy.KindBlockDevice + 1, 255} {
			requireOutcome(t, refused(policy.RuleFilesystem, syscall.EINVAL), build(t, profile).Create(create(kind, 0o600)))
		}
	}
}

func TestCreateTmpfileNeedsNoName(t *testing.T) {
	p := build(t, policy.ProfileTmpdir)
	r := policy.CreateRequest{Op: policy.OpTmpfile, Kind: policy.KindRegular, RawMode: 0o666}
	requireOutcome(t, changed(0o600, policy.RuleModes), p.Create(r))
	r.Op = "open"
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EINVAL), p.Create(r))
	// A name that came along with it all the same is judged.
	r.Op, r.RawName = policy.OpTmpfile, "a\n"
	requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), p.Create(r))
}

// Deciding allocates nothing, whatever the answer: create is on the path of
// every temporary file, and refusals are what an attacker can ask for at will.
func TestDecisionsDoNotAllocate(t *testing.T) {
	requests := map[string]func(*policy.Policy) policy.Decision{
		"create plain":   func(p *policy.Policy) policy.Decision { return p.Create(create(policy.KindRegular, 0o600)) },
		"create masked":  func(p *policy.Policy) policy.Decision { return p.Create(create(policy.KindDirectory, 0o1777)) },
		"create refused": func(p *policy.Policy) policy.Decision { return p.Create(create(policy.KindBlockDevice, 0o600)) },
		"name":           func(p *policy.Policy) policy.Decision { return p.Name("rename", "a-name-of-the-usual-length.o") },
		"name in UTF-8":  func(p *policy.Policy) policy.Decision { return p.Name("rename", "文件 été") },
		"name refused":   func(p *policy.Policy) policy.Decision { return p.Name("rename", "a\u202eb\n") },
		"chmod":          func(p *policy.Policy) policy.Decision { return p.Chmod(policy.ChmodRequest{RawMode: 0o755}) },
		"chown":          func(p *policy.Policy) policy.Decision { return p.Chown(policy.ChownRequest{SetUID: true, NewUID: 1}) },
		"link":           func(p *policy.Policy) policy.Decision { return p.Link(policy.LinkRequest{SameTop: true}) },
		"symlink": func(p *policy.Policy) policy.Decision {
			return p.Symlink(policy.SymlinkRequest{RawTarget: "../a/b/c", Depth: 2})
		},
		"setxattr": func(p *policy.Policy) policy.Decision { return p.SetXattr("user.a", 1) },
		"getxattr": func(p *policy.Policy) policy.Decision { return p.Xattr("security.capability") },
	}
	for _, profile := range policy.Profiles() {
		for _, enforce := range []string{"enforce=on", "enforce=warn"} {
			p := build(t, profile, enforce)
			for what, ask := range requests {
				var d policy.Decision
				allocs := testing.AllocsPerRun(100, func() { d = ask(p) })
				require.NotEmpty(t, d.Op)
				assert.Zero(t, allocs, "%s, %s, %s", profile, enforce, what)
			}
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	for _, profile := range policy.Profiles() {
		b.Run(string(profile), func(b *testing.B) {
			p := build(b, profile)
			r := policy.CreateRequest{Op: "open", Kind: policy.KindRegular, RawName: "ccXXXXXXtmp-object-file.o", RawMode: 0o600}
			b.ReportAllocs()
			for b.Loop() {
				if d := p.Create(r); d.Verdict != policy.Allow {
					b.Fatal(d)
				}
			}
		})
	}
}
