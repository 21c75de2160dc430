package policy_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// cell is one row of the table in the design, with what each profile answers
// in the order of policy.Profiles: strict, tmpdir, compat, posix.
type cell struct {
	row  string
	ask  func(*policy.Policy) policy.Decision
	want [4]outcome
}

// everywhere is a row in which all profiles agree.
func everywhere(o outcome) [4]outcome {
	return [4]outcome{o, o, o, o}
}

func TestProfileTable(t *testing.T) {
	var cells []cell
	cells = append(cells, linkCells()...)
	cells = append(cells, kindCells()...)
	cells = append(cells, modeCells()...)
	cells = append(cells, ownerCells()...)
	cells = append(cells, nameCells()...)
	for _, c := range cells {
		for i, profile := range policy.Profiles() {
			t.Run(c.row+"/"+string(profile), func(t *testing.T) {
				requireOutcome(t, c.want[i], c.ask(build(t, profile)))
			})
		}
	}
}

func linkCells() []cell {
	eperm := refused(policy.RuleSymlinks, syscall.EPERM)
	symlink := func(target string, depth int) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision {
			return p.Symlink(policy.SymlinkRequest{RawTarget: target, Depth: depth})
		}
	}
	link := func(r policy.LinkRequest) func(*policy.Policy) policy.Decision {
		r.Kind = policy.KindRegular
		return func(p *policy.Policy) policy.Decision { return p.Link(r) }
	}
	return []cell{
		{"symlink inside", symlink("../file", 2), [4]outcome{eperm, eperm, allowed, allowed}},
		{"symlink outside", symlink("../../file", 2), [4]outcome{eperm, eperm, eperm, allowed}},
		{"symlink absolute", symlink("/etc/passwd", 2), [4]outcome{eperm, eperm, eperm, allowed}},
		{"symlink in the root", symlink("file", 0), [4]outcome{eperm, eperm, eperm, allowed}},
		{
			"readlink after a move",
			func(p *policy.Policy) policy.Decision {
				return p.Readlink(policy.SymlinkRequest{RawTarget: "../file", Depth: 1})
			},
			[4]outcome{
				refused(policy.RuleSymlinks, syscall.EACCES), refused(policy.RuleSymlinks, syscall.EACCES),
				refused(policy.RuleSymlinks, syscall.EACCES), allowed,
			},
		},
		{
			"symlink as a kind",
			func(p *policy.Policy) policy.Decision { return p.Create(create(policy.KindSymlink, 0o600)) },
			[4]outcome{eperm, eperm, allowedMode(0o777), allowedMode(0o777)},
		},
		{
			"hard link of one owner, same naming root", link(policy.LinkRequest{CallerUID: 7, OwnerUID: 7, SameTop: true}),
			[4]outcome{refused(policy.RuleHardlinks, syscall.EPERM), allowed, allowed, allowed},
		},
		{
			"hard link of one owner, elsewhere", link(policy.LinkRequest{CallerUID: 7, OwnerUID: 7}),
			[4]outcome{
				refused(policy.RuleHardlinks, syscall.EPERM), refused(policy.RuleHardlinks, syscall.EXDEV),
				refused(policy.RuleHardlinks, syscall.EXDEV), allowed,
			},
		},
		{
			"hard link to another's file", link(policy.LinkRequest{CallerUID: 7, OwnerUID: 8, SameTop: true}),
			[4]outcome{
				refused(policy.RuleHardlinks, syscall.EPERM), refused(policy.RuleHardlinks, syscall.EPERM),
				refused(policy.RuleHardlinks, syscall.EPERM), allowed,
			},
		},
		{
			"linkat of an O_TMPFILE file", link(policy.LinkRequest{CallerUID: 7, OwnerUID: 7, Tmpfile: true}),
			everywhere(allowed),
		},
	}
}

func kindCells() []cell {
	make := func(kind policy.Kind) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision { return p.Create(create(kind, 0o666)) }
	}
	devices := everywhere(refused(policy.RuleDevices, syscall.EPERM))
	special := [4]outcome{
		refused(policy.RuleSpecial, syscall.EPERM),
		changed(0o600, policy.RuleModes), changed(0o600, policy.RuleModes), allowedMode(0o666),
	}
	return []cell{
		{"character device", make(policy.KindCharDevice), devices},
		{"block device", make(policy.KindBlockDevice), devices},
		{"whiteout", func(p *policy.Policy) policy.Decision { return p.RenameFlags(4) }, everywhere(refused(policy.RuleDevices, syscall.EINVAL))},
		{"fifo", make(policy.KindFIFO), special},
		{"socket", make(policy.KindSocket), special},
	}
}

func modeCells() []cell {
	make := func(kind policy.Kind, rawMode uint32) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision { return p.Create(create(kind, rawMode)) }
	}
	chmod := func(kind policy.Kind, rawMode uint32) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision {
			return p.Chmod(policy.ChmodRequest{Kind: kind, RawMode: rawMode})
		}
	}
	masked := func(mode, raw uint32) [4]outcome {
		o := changed(mode, policy.RuleModes)
		return [4]outcome{o, o, o, allowedMode(raw)}
	}
	chmodMasked := func(mode, raw uint32) [4]outcome {
		o := changed(mode, policy.RuleModes)
		return [4]outcome{refused(policy.RuleModes, syscall.EPERM), o, o, allowedMode(raw)}
	}
	unset := func(mode, raw uint32) [4]outcome {
		o := changed(mode, policy.RuleSetID)
		return [4]outcome{refused(policy.RuleSetID, syscall.EPERM), o, o, allowedMode(raw)}
	}
	const file, dir = policy.KindRegular, policy.KindDirectory
	return []cell{
		{"create 0600", make(file, 0o600), everywhere(allowedMode(0o600))},
		{"create 0666", make(file, 0o666), masked(0o600, 0o666)},
		{"mkdir 0700", make(dir, 0o700), everywhere(allowedMode(0o700))},
		{"mkdir 0777", make(dir, 0o777), masked(0o700, 0o777)},
		{"chmod 0600", chmod(file, 0o600), everywhere(allowedMode(0o600))},
		{"chmod 0644", chmod(file, 0o644), chmodMasked(0o600, 0o644)},
		{"chmod directory 0755", chmod(dir, 0o755), chmodMasked(0o700, 0o755)},
		{"create set-uid", make(file, 0o4600), [4]outcome{
			changed(0o600, policy.RuleSetID), changed(0o600, policy.RuleSetID), changed(0o600, policy.RuleSetID), allowedMode(0o4600),
		}},
		{"mkdir sticky", make(dir, 0o1777), [4]outcome{
			changed(0o700, policy.RuleSetID), changed(0o700, policy.RuleSetID), changed(0o700, policy.RuleSetID), allowedMode(0o1777),
		}},
		{"chmod set-uid", chmod(file, 0o4600), unset(0o600, 0o4600)},
		{"chmod set-gid", chmod(dir, 0o2700), unset(0o700, 0o2700)},
		{"chmod sticky", chmod(dir, 0o1700), unset(0o700, 0o1700)},
		{"create executable", make(file, 0o700), [4]outcome{
			changed(0o600, policy.RuleExec), allowedMode(0o700), allowedMode(0o700), allowedMode(0o700),
		}},
		{"chmod executable", chmod(file, 0o700), [4]outcome{
			refused(policy.RuleExec, syscall.EPERM), allowedMode(0o700), allowedMode(0o700), allowedMode(0o700),
		}},
	}
}

func ownerCells() []cell {
	chown := func(r policy.ChownRequest) func(*policy.Policy) policy.Decision {
		r.OldUID, r.OldGID, r.NewUID, r.SetUID = 7, 7, 8, true
		return func(p *policy.Policy) policy.Decision { return p.Chown(r) }
	}
	set := func(name string) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision { return p.SetXattr(name, 1) }
	}
	eperm := refused(policy.RuleChown, syscall.EPERM)
	noXattr := everywhere(refused(policy.RuleXattrs, syscall.EOPNOTSUPP))
	return []cell{
		{"chown by root, private", chown(policy.ChownRequest{}), [4]outcome{eperm, eperm, eperm, allowed}},
		{"chown by root, shared", chown(policy.ChownRequest{Shared: true}), [4]outcome{eperm, allowed, allowed, allowed}},
		{
			"chown by the owner", chown(policy.ChownRequest{CallerUID: 7, Shared: true}),
			[4]outcome{eperm, eperm, eperm, refused(policy.RuleFilesystem, syscall.EPERM)},
		},
		{
			"chown by root of a user namespace, shared", chown(policy.ChownRequest{CallerUID: 7, Shared: true, Checked: true}),
			[4]outcome{eperm, allowed, allowed, allowed},
		},
		{
			"the same, private", chown(policy.ChownRequest{CallerUID: 7, Checked: true}),
			[4]outcome{eperm, eperm, eperm, allowed},
		},
		{"access ACL", set("system.posix_acl_access"), noXattr},
		{"default ACL", set("system.posix_acl_default"), noXattr},
		{"file capabilities", set("security.capability"), noXattr},
		{"trusted attribute", set("trusted.overlay.opaque"), noXattr},
		{"user attribute", set("user.note"), everywhere(allowed)},
	}
}

func nameCells() []cell {
	name := func(rawName string) func(*policy.Policy) policy.Decision {
		return func(p *policy.Policy) policy.Decision { return p.Name("rename", rawName) }
	}
	no := refused(policy.RuleNameCheck, syscall.EINVAL)
	never := everywhere(refused(policy.RuleFilesystem, syscall.EINVAL))
	control, utf8, shell := [4]outcome{no, no, no, allowed}, [4]outcome{no, no, allowed, allowed}, [4]outcome{no, allowed, allowed, allowed}
	return []cell{
		{"newline", name("a\nb"), control},
		{"escape", name("a\x1b[2Jb"), control},
		{"DEL", name("a\x7fb"), control},
		{"C1 control", name("a\u009bb"), control},
		{"broken UTF-8", name("a\xffb"), utf8},
		{"surrogate", name("a\xed\xa0\x80b"), utf8},
		{"overlong", name("a\xc0\xafb"), utf8},
		{"leading dash", name("-rf"), shell},
		{"leading space", name(" a"), shell},
		{"trailing space", name("a "), shell},
		{"metacharacter", name("a;b"), shell},
		{"bidi", name("a\u202eb"), shell},
		{"zero width", name("a\u200bb"), shell},
		{"plain", name("a b.c-d"), everywhere(allowed)},
		{"letters beyond ASCII", name("naïve-文件"), everywhere(allowed)},
		{"empty", name(""), never},
		{"dot", name("."), never},
		{"dot dot", name(".."), never},
		{"slash", name("a/b"), never},
		{"NUL", name("a\x00b"), never},
	}
}

func TestProfileMounts(t *testing.T) {
	tests := []struct {
		profile             policy.Profile
		root, below         bool
		noExec, noSymfollow bool
	}{
		{policy.ProfileStrict, true, true, true, true},
		{policy.ProfileTmpdir, true, false, false, true},
		{policy.ProfileCompat, false, false, false, false},
		{policy.ProfilePosix, false, false, false, false},
	}
	for _, tt := range tests {
		t.Run(string(tt.profile), func(t *testing.T) {
			p := build(t, tt.profile)
			assert.Equal(t, tt.profile, p.Profile())
			assert.Equal(t, tt.root, p.NamingRoot(true))
			assert.Equal(t, tt.below, p.NamingRoot(false))
			assert.Equal(t, tt.noExec, p.NoExecMount())
			assert.Equal(t, tt.noSymfollow, p.NoSymfollowMount())
			assert.True(t, p.Enforcing())
			assert.Equal(t, policy.ListingRandom, p.Listing())
			assert.Equal(t, policy.ScopeUID, p.Scope())
		})
	}
}

// Build relies on profiles that are ordered in every rule: the safer of two is
// then the safer in each.
func TestProfilesAreOrdered(t *testing.T) {
	rank := make(map[string]int)
	for _, info := range policy.Rules() {
		for i, value := range info.Values {
			rank[string(info.Rule)+"="+value] = i
		}
	}
	profiles := policy.Profiles()
	for i := 1; i < len(profiles); i++ {
		safer, weaker := build(t, profiles[i-1]).Describe(), build(t, profiles[i]).Describe()
		for j := range safer {
			a, b := string(safer[j].Rule)+"="+safer[j].Value, string(weaker[j].Rule)+"="+weaker[j].Value
			assert.LessOrEqual(t, rank[a], rank[b], "%s has %s, %s has %s", profiles[i-1], a, profiles[i], b)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for _, profile := range policy.Profiles() {
		got, err := policy.ParseProfile("--profile", string(profile))
		require.NoError(t, err)
		assert.Equal(t, profile, got)
	}
	_, err := policy.ParseProfile("--profile", "Strict")
	assert.EqualError(t, err, `--profile: unknown profile "Strict" (profiles: strict, tmpdir, compat, posix)`)
}
