package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"safetmp/policy"
)

// TestSaferNeverAllowsMore draws a whole policy, makes one rule safer by any
// number of steps, and asks both the same question.
func TestSaferNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weaker, safer := map[policy.Rule]string{}, map[policy.Rule]string{}
		rules := policy.Rules()
		changed := rapid.SampledFrom(rules).Draw(t, "changed").Rule
		for _, info := range rules {
			level := rapid.IntRange(0, len(info.Values)-1).Draw(t, string(info.Rule))
			weaker[info.Rule], safer[info.Rule] = info.Values[level], info.Values[level]
			if info.Rule == changed {
				safer[info.Rule] = info.Values[rapid.IntRange(0, level).Draw(t, "safer")]
			}
		}
		ask := drawRequest(t)
		requireNotMore(t, ask(drawn(t, weaker)), ask(drawn(t, safer)))
	})
}

// drawn builds a policy from a value for each rule.
func drawn(t *rapid.T, values map[policy.Rule]string) *policy.Policy {
	var layers []policy.Layer
	for rule, value := range values {
		layer, err := policy.ParseSetting("--rule", string(rule)+"="+value)
		require.NoError(t, err)
		layers = append(layers, layer)
	}
	p, err := policy.Build("", layers...)
	require.NoError(t, err)
	return p
}

// requireNotMore compares what two policies let through. The sticky bit of a
// directory takes rights away, so having it is not more.
func requireNotMore(t *rapid.T, weaker, safer policy.Decision) {
	if safer.Verdict == policy.Refuse {
		return
	}
	require.NotEqual(t, policy.Refuse, weaker.Verdict, "only the safer one allows: %+v, %+v", weaker, safer)
	require.Zero(t, safer.Mode&^weaker.Mode&^0o1000, "the safer one stores more: %o, %o", weaker.Mode, safer.Mode)
}

type question func(*policy.Policy) policy.Decision

// drawRequest draws one request of any type.
func drawRequest(t *rapid.T) question {
	return rapid.OneOf(
		rapid.Custom(drawCreate), rapid.Custom(drawChmod), rapid.Custom(drawChown),
		rapid.Custom(drawLink), rapid.Custom(drawSymlink), rapid.Custom(drawName),
	).Draw(t, "request")
}

var (
	kinds = rapid.Map(rapid.Uint8Range(0, 8), func(k uint8) policy.Kind { return policy.Kind(k) })
	modes = rapid.Uint32Range(0, 0o7777)
	ids   = rapid.Uint32Range(0, 2)
	names = rapid.OneOf(rapid.StringMatching(`[-a ./;\x00\n]{0,4}`), rapid.String(), rapid.SampledFrom([]string{"a\xff", "a\u202e", "a"}))
)

func drawCreate(t *rapid.T) question {
	r := policy.CreateRequest{Op: "create", Kind: kinds.Draw(t, "kind"), RawName: names.Draw(t, "name"), RawMode: modes.Draw(t, "mode")}
	return func(p *policy.Policy) policy.Decision { return p.Create(r) }
}

func drawChmod(t *rapid.T) question {
	r := policy.ChmodRequest{
		Kind: kinds.Draw(t, "kind"), RawMode: modes.Draw(t, "mode"),
		MountRoot: rapid.Bool().Draw(t, "root"), RootMode: modes.Draw(t, "root mode"),
	}
	if r.MountRoot {
		r.Kind = policy.KindDirectory
	}
	return func(p *policy.Policy) policy.Decision { return p.Chmod(r) }
}

func drawChown(t *rapid.T) question {
	r := policy.ChownRequest{
		CallerUID: ids.Draw(t, "caller"), Shared: rapid.Bool().Draw(t, "shared"),
		OldUID: ids.Draw(t, "old uid"), OldGID: ids.Draw(t, "old gid"), NewUID: ids.Draw(t, "new uid"), NewGID: ids.Draw(t, "new gid"),
		SetUID: rapid.Bool().Draw(t, "set uid"), SetGID: rapid.Bool().Draw(t, "set gid"),
	}
	return func(p *policy.Policy) policy.Decision { return p.Chown(r) }
}

func drawLink(t *rapid.T) question {
	r := policy.LinkRequest{
		CallerUID: ids.Draw(t, "caller"), OwnerUID: ids.Draw(t, "owner"), Kind: kinds.Draw(t, "kind"),
		SameTop: rapid.Bool().Draw(t, "same top"), Tmpfile: rapid.Bool().Draw(t, "tmpfile"),
	}
	return func(p *policy.Policy) policy.Decision { return p.Link(r) }
}

func drawSymlink(t *rapid.T) question {
	target := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"", ".", "..", "a", "-b", "c\n"}), 0, 5).Draw(t, "target"), "/")
	r := policy.SymlinkRequest{RawTarget: target, Depth: rapid.IntRange(0, 4).Draw(t, "depth")}
	read := rapid.Bool().Draw(t, "read")
	return func(p *policy.Policy) policy.Decision {
		if read {
			return p.Readlink(r)
		}
		return p.Symlink(r)
	}
}

func drawName(t *rapid.T) question {
	name := names.Draw(t, "name")
	return rapid.SampledFrom([]question{
		func(p *policy.Policy) policy.Decision { return p.Name("rename", name) },
		func(p *policy.Policy) policy.Decision { return p.SetXattr("user."+name, 1) },
		func(p *policy.Policy) policy.Decision { return p.RemoveXattr("user." + name) },
		func(p *policy.Policy) policy.Decision { return p.Xattr("user." + name) },
	}).Draw(t, "method")
}
