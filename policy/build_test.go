package policy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// file returns the layer of a policy file with this text.
func file(t testing.TB, text string) policy.Layer {
	t.Helper()
	layer, err := policy.ParseLayer("p.toml", []byte(text))
	require.NoError(t, err)
	return layer
}

// flag returns the layer of one --rule.
func flag(t testing.TB, setting string) policy.Layer {
	t.Helper()
	layer, err := policy.ParseSetting("--rule", setting)
	require.NoError(t, err)
	return layer
}

func TestBuildLayers(t *testing.T) {
	const symlinks = policy.RuleSymlinks
	setting := func(value, source string) policy.Setting {
		return policy.Setting{Rule: symlinks, Value: value, Source: source, Safest: value == "refuse"}
	}
	fileRefuse, fileInside, fileAllow := file(t, `symlinks = "refuse"`), file(t, `symlinks = "inside"`), file(t, `symlinks = "allow"`)
	flagRefuse, flagInside, flagAllow := flag(t, "symlinks=refuse"), flag(t, "symlinks=inside"), flag(t, "symlinks=allow")
	tests := []struct {
		name      string
		profile   policy.Profile
		layers    []policy.Layer
		want      policy.Setting
		overruled []policy.Setting
	}{
		{"profile alone", "compat", nil, setting("inside", "profile compat"), nil},
		{"file tightens", "compat", []policy.Layer{fileRefuse}, setting("refuse", "p.toml:1"), nil},
		{"file agrees", "compat", []policy.Layer{fileInside}, setting("inside", "p.toml:1"), nil},
		{
			"file cannot weaken", "compat", []policy.Layer{fileAllow},
			setting("inside", "profile compat"), []policy.Setting{setting("allow", "p.toml:1")},
		},
		{"flag tightens", "compat", []policy.Layer{flagRefuse}, setting("refuse", "--rule"), nil},
		{"flag weakens", "compat", []policy.Layer{flagAllow}, setting("allow", "--rule"), nil},
		{
			"flag weakens a file", "compat", []policy.Layer{fileRefuse, flagAllow},
			setting("allow", "--rule"), []policy.Setting{setting("refuse", "p.toml:1")},
		},
		{
			"order of layers does not count", "compat", []policy.Layer{flagAllow, fileRefuse},
			setting("allow", "--rule"), []policy.Setting{setting("refuse", "p.toml:1")},
		},
		{"flag agrees with a file", "compat", []policy.Layer{fileRefuse, flagRefuse}, setting("refuse", "--rule"), nil},
		{
			"of two flags the safer, first", "tmpdir", []policy.Layer{flagInside, flagAllow},
			setting("inside", "--rule"), []policy.Setting{setting("allow", "--rule")},
		},
		{
			"of two flags the safer, last", "tmpdir", []policy.Layer{flagAllow, flagInside},
			setting("inside", "--rule"), []policy.Setting{setting("allow", "--rule")},
		},
		{
			"of two files the safer", "posix", []policy.Layer{fileAllow, fileInside, fileRefuse},
			setting("refuse", "p.toml:1"), []policy.Setting{setting("allow", "p.toml:1"), setting("inside", "p.toml:1")},
		},
		{"an empty layer sets nothing", "compat", []policy.Layer{{}}, setting("inside", "profile compat"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := policy.Build(tt.profile, tt.layers...)
			require.NoError(t, err)
			assert.Equal(t, tt.want, p.Describe()[0])
			assert.Equal(t, tt.overruled, p.Overruled())
		})
	}
}

func TestBuildProfile(t *testing.T) {
	overruled := func(value, source string, safest bool) []policy.Setting {
		return []policy.Setting{{Rule: "profile", Value: value, Source: source, Safest: safest}}
	}
	strictFile, compatFile := file(t, `profile = "strict"`), file(t, `profile = "compat"`)
	tests := []struct {
		name      string
		profile   policy.Profile
		layers    []policy.Layer
		want      policy.Profile
		source    string
		overruled []policy.Setting
	}{
		{"nobody names one", "", nil, "tmpdir", "profile tmpdir (default)", nil},
		{"command line", "posix", nil, "posix", "profile posix", nil},
		{"file, weaker than the default", "", []policy.Layer{compatFile}, "compat", "profile compat (p.toml:1)", nil},
		{"file, safer than the default", "", []policy.Layer{strictFile}, "strict", "profile strict (p.toml:1)", nil},
		{
			"file is safer", "compat", []policy.Layer{strictFile}, "strict", "profile strict (p.toml:1)",
			overruled("compat", "command line", false),
		},
		{
			"command line is safer", "strict", []policy.Layer{compatFile}, "strict", "profile strict",
			overruled("compat", "p.toml:1", false),
		},
		{"they agree", "strict", []policy.Layer{strictFile}, "strict", "profile strict", nil},
		{
			"two files", "", []policy.Layer{compatFile, strictFile}, "strict", "profile strict (p.toml:1)",
			overruled("compat", "p.toml:1", false),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := policy.Build(tt.profile, tt.layers...)
			require.NoError(t, err)
			assert.Equal(t, tt.want, p.Profile())
			for _, setting := range p.Describe() {
				assert.Equal(t, tt.source, setting.Source)
			}
			assert.Equal(t, tt.overruled, p.Overruled())
		})
	}
}

func TestBuildUnknownProfile(t *testing.T) {
	_, err := policy.Build("paranoid", file(t, `symlinks = "refuse"`))
	var parseErr *policy.ParseError
	require.ErrorAs(t, err, &parseErr)
	assert.EqualError(t, err, `profile: unknown profile "paranoid" (profiles: strict, tmpdir, compat, posix)`)
}

// What a policy hands out is the caller's to change.
func TestPolicyIsImmutable(t *testing.T) {
	p, err := policy.Build("tmpdir", file(t, `symlinks = "allow"`))
	require.NoError(t, err)
	p.Describe()[0].Value = "allow"
	p.Overruled()[0].Value = "refuse"
	assert.Equal(t, "refuse", p.Describe()[0].Value)
	assert.Equal(t, "allow", p.Overruled()[0].Value)
}

func TestDescribeNamesEachRuleOnce(t *testing.T) {
	settings, rules := build(t, policy.ProfileTmpdir).Describe(), policy.Rules()
	require.Len(t, settings, len(rules))
	seen := make(map[policy.Rule]bool)
	for i, setting := range settings {
		assert.Equal(t, rules[i].Rule, setting.Rule)
		assert.Contains(t, rules[i].Values, setting.Value)
		assert.False(t, seen[setting.Rule])
		seen[setting.Rule] = true
	}
}
