package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

func TestParseLayerErrors(t *testing.T) {
	const (
		rules    = " (rules: symlinks, hardlinks, tmpfile-link, devices, special, modes, setid, exec, chown, xattrs, names, name-check, listing, scope, enforce)"
		values   = " (values: refuse, inside, allow)"
		line     = ` (lines are of the form RULE = "VALUE")`
		profiles = " (profiles: strict, tmpdir, compat, posix)"
	)
	tests := []struct{ text, want string }{
		{"\n# comment\nsymlink = \"refuse\"\n", `p.toml:3: unknown rule "symlink"` + rules},
		{"symlinks = 'never'", `p.toml:1: rule symlinks has no value "never"` + values},
		{"exec = \"none\"\r\nsymlinks = true", "p.toml:2: symlinks takes a string in quotes, not a value of type bool" + values},
		{"symlinks = 1", "p.toml:1: symlinks takes a string in quotes, not a value of type integer" + values},
		{"symlinks = [\n'refuse']", "p.toml:1: symlinks takes a string in quotes, not a value of type array" + values},
		{"symlinks = {a = 'b'}", "p.toml:1: symlinks takes a string in quotes, not a value of type inlinetable" + values},
		{"what = 1", `p.toml:1: unknown rule "what"` + rules},
		{"profile = 'x'", `p.toml:1: unknown profile "x"` + profiles},
		{"profile = 1", "p.toml:1: profile takes a string in quotes, not a value of type integer" + profiles},
		{"\n\nsymlinks = 'refuse'\nsymlinks = 'refuse'", `p.toml:4: "symlinks" is set twice, first in line 3 (each rule once)`},
		{"profile = 'strict'\nprofile = 'compat'", `p.toml:2: "profile" is set twice, first in line 1 (each rule once)`},
		{"\n[rules]\nsymlinks = 'refuse'", `p.toml:2: section "rules" in a policy file` + line},
		{"[[rules]]", `p.toml:1: section "rules" in a policy file` + line},
		{"a.b = 'c'", `p.toml:1: unknown rule "a.b"` + rules},
		{"\"a\\nb\" = 'c'", `p.toml:1: unknown rule "a\nb"` + rules},
		{"symlinks = '''re\nfuse'''", `p.toml:1: rule symlinks has no value "re\nfuse"` + values},
		{strings.Repeat("a", 80) + " = 'c'", `p.toml:1: unknown rule "` + strings.Repeat("a", 64) + `"...` + rules},
		{"\nsymlinks", "p.toml:2: not valid TOML: expected '=' after key" + line},
		{"symlinks = refuse", "p.toml:1: not valid TOML: unexpected character U+0072 'r' at start of value" + line},
		{"exec = 'none'\n\nsymlinks = \"ref", "p.toml:3: not valid TOML: unterminated basic string" + line},
		{"symlinks = 'refuse' exec = 'none'", "p.toml:1: not valid TOML: expected newline but got U+0065 'e'" + line},
		{"# \xff\n", "p.toml:1: not valid TOML: invalid UTF-8 character in comment" + line},
		{"\x00", "p.toml:1: not valid TOML: invalid character at start of key: U+0000" + line},
		{strings.Repeat("#\n", 32<<10) + "\n", "p.toml:1: the file is too large (at most 65536 bytes)"},
	}
	for _, tt := range tests {
		_, err := policy.ParseLayer("p.toml", []byte(tt.text))
		var parseErr *policy.ParseError
		require.ErrorAs(t, err, &parseErr, "%q", tt.text)
		assert.Equal(t, "p.toml", parseErr.File)
		assert.EqualError(t, err, tt.want)
	}
}

func TestParseLayerAccepts(t *testing.T) {
	for _, text := range []string{
		"", "\n", "# nothing", "\r\n#\r\n", "symlinks = \"inside\"", "symlinks='inside' # comment", "\"symlinks\" = '''inside'''",
		"symlinks = \"in\\u0073ide\"\n", "\tsymlinks\t=\t'inside'", strings.Repeat("#\n", 32<<10),
	} {
		layer, err := policy.ParseLayer("p.toml", []byte(text))
		require.NoError(t, err, "%q", text)
		p, err := policy.Build(policy.ProfilePosix, layer)
		require.NoError(t, err)
		want := "allow"
		if strings.Contains(text, "symlinks") {
			want = "inside"
		}
		assert.Equal(t, want, p.Describe()[0].Value, "%q", text)
	}
}

func TestParseLayerSourcesHaveLines(t *testing.T) {
	p, err := policy.Build("", file(t, "# comment\n\nexec = \"none\"\nprofile = \"compat\"\n\n\nmodes = \"strict\"\n"))
	require.NoError(t, err)
	sources := make(map[policy.Rule]string)
	for _, setting := range p.Describe() {
		sources[setting.Rule] = setting.Source
	}
	assert.Equal(t, "p.toml:3", sources[policy.RuleExec])
	assert.Equal(t, "p.toml:7", sources[policy.RuleModes])
	assert.Equal(t, "profile compat (p.toml:4)", sources[policy.RuleSymlinks])
}

// A caller may hand in a part of a larger buffer and change it later.
func TestParseLayerKeepsNothingOfTheBuffer(t *testing.T) {
	buffer := []byte("symlinks = 'refuse'\nbogus")
	layer, err := policy.ParseLayer("p.toml", buffer[:20])
	require.NoError(t, err)
	clear(buffer)
	p, err := policy.Build(policy.ProfilePosix, layer)
	require.NoError(t, err)
	assert.Equal(t, policy.Setting{Rule: policy.RuleSymlinks, Value: "refuse", Source: "p.toml:1", Safest: true}, p.Describe()[0])
	_, err = policy.ParseLayer("p.toml", []byte("a = \"b\nbogus")[:6])
	assert.EqualError(t, err, `p.toml:1: not valid TOML: unterminated basic string (lines are of the form RULE = "VALUE")`)
}

// The example names every rule and profile, and is what it says it is: profile
// tmpdir with the rules marked "tighter".
func TestExample(t *testing.T) {
	data, err := os.ReadFile("testdata/example.toml")
	require.NoError(t, err)
	layer, err := policy.ParseLayer("example.toml", data)
	require.NoError(t, err)
	p, err := policy.Build("", layer)
	require.NoError(t, err)
	assert.Equal(t, policy.ProfileTmpdir, p.Profile())
	assert.Empty(t, p.Overruled())
	lines := strings.Split(string(data), "\n")
	plain := build(t, policy.ProfileTmpdir).Describe()
	for i, setting := range p.Describe() {
		require.Contains(t, setting.Source, "example.toml:", "rule %s", setting.Rule)
		want := string(setting.Rule) + ` = "` + setting.Value + `"`
		if setting.Value != plain[i].Value {
			want += " # tighter"
		}
		assert.Contains(t, lines, want)
		for _, value := range policy.Rules()[i].Values {
			assert.Contains(t, string(data), value)
		}
	}
	for _, profile := range policy.Profiles() {
		assert.Contains(t, string(data), string(profile))
	}
}
