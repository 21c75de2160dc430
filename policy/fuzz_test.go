package policy_test

import (
	"crypto/rand"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// requireCorpus fails a fuzz target whose committed seeds are gone: without
// them a plain "go test" would try nothing and still pass.
func requireCorpus(f *testing.F) {
	f.Helper()
	seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name()))
	require.NoError(f, err, "the seed corpus of %s is missing", f.Name())
	require.NotEmpty(f, seeds, "the seed corpus of %s is empty", f.Name())
}

// FuzzName holds each level of name-check to a second, slower description of
// it, and to the promise that the levels include one another.
func FuzzName(f *testing.F) {
	requireCorpus(f)
	policies := make(map[string]*policy.Policy)
	for _, check := range []string{"none", "control", "utf8", "shell"} {
		policies[check] = build(f, policy.ProfileTmpdir, "name-check="+check)
	}
	f.Fuzz(func(t *testing.T, rawName string) {
		accepts := func(check string) bool {
			d := policies[check].Name("mkdir", rawName)
			assertWellFormed(t, d)
			return d.Verdict == policy.Allow
		}
		none, control, utf8s, shell := accepts("none"), accepts("control"), accepts("utf8"), accepts("shell")
		assert.Equal(t, storable(rawName), none)
		assert.Equal(t, none && strings.IndexFunc(rawName, unicode.IsControl) < 0, control)
		assert.Equal(t, control && utf8.ValidString(rawName), utf8s)
		assert.Equal(t, utf8s && plain(rawName), shell)
	})
}

// storable says in its own words which names a Linux filesystem can store.
func storable(rawName string) bool {
	ok := rawName != "" && len(rawName) <= 255
	return ok && rawName != "." && rawName != ".." && !strings.ContainsAny(rawName, "/\x00")
}

var (
	metacharacter = regexp.MustCompile("[|&;<>()$`\\\\\"'*?\\[\\]{}!^]|^[-#~=%]")
	unseen        = regexp.MustCompile(`[\p{Cf}\p{Zl}\p{Zp}\x{034f}\x{115f}\x{1160}\x{17b4}\x{17b5}\x{180b}-\x{180f}\x{3164}\x{fe00}-\x{fe0f}\x{ffa0}\x{2065}\x{fff0}-\x{fff8}\x{e0000}-\x{e0fff}]`)
	seenFormat    = regexp.MustCompile(`[\x{0600}-\x{0605}\x{06dd}\x{070f}\x{0890}\x{0891}\x{08e2}\x{110bd}\x{110cd}]`)
)

// plain says in its own words what level shell adds to utf8.
func plain(rawName string) bool {
	visible := !unseen.MatchString(seenFormat.ReplaceAllString(rawName, ""))
	return visible && !metacharacter.MatchString(rawName) && strings.TrimSpace(rawName) == rawName
}

// FuzzParseLayer feeds policy files. A bad one gives one line that points into
// the file; a good one builds, and never weakens its profile.
func FuzzParseLayer(f *testing.F) {
	requireCorpus(f)
	rank := make(map[string]int)
	for _, info := range policy.Rules() {
		for i, value := range info.Values {
			rank[string(info.Rule)+"="+value] = i
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		layer, err := policy.ParseLayer("p.toml", data)
		if err != nil {
			requireOneLine(t, err, data)
			return
		}
		for _, profile := range policy.Profiles() {
			p, err := policy.Build(profile, layer)
			require.NoError(t, err)
			plain := build(t, profile).Describe()
			for i, setting := range p.Describe() {
				before, after := string(setting.Rule)+"="+plain[i].Value, string(setting.Rule)+"="+setting.Value
				assert.LessOrEqual(t, rank[after], rank[before])
			}
		}
	})
}

func requireOneLine(t *testing.T, err error, data []byte) {
	t.Helper()
	var parseErr *policy.ParseError
	require.ErrorAs(t, err, &parseErr)
	assert.GreaterOrEqual(t, parseErr.Line, 1)
	assert.LessOrEqual(t, parseErr.Line, 1+strings.Count(string(data), "\n"))
	assert.NotEmpty(t, parseErr.Accepted)
	for _, r := range err.Error() {
		require.True(t, unicode.IsPrint(r), "%q holds %U", err.Error(), r)
	}
	assert.Less(t, len(err.Error()), 600)
}

var assigned = regexp.MustCompile(`^[A-Za-z0-9._][A-Za-z0-9._-]*$`)

// FuzzTemplate checks that whatever a template and a requested name hold, an
// assigned name is plain, short enough and as random as promised.
func FuzzTemplate(f *testing.F) {
	requireCorpus(f)
	strict := build(f, policy.ProfileStrict)
	f.Fuzz(func(t *testing.T, template, rawName string) {
		n, err := policy.NewNamer(rand.Reader, template)
		if err != nil {
			var parseErr *policy.ParseError
			require.ErrorAs(t, err, &parseErr)
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		first, err := n.Assign(rawName)
		require.NoError(t, err)
		second, err := n.Assign(rawName)
		require.NoError(t, err)
		assert.Regexp(t, assigned, string(first))
		assert.LessOrEqual(t, len(first), policy.MaxName)
		assert.Len(t, second, len(first))
		assert.NotEqual(t, first, second)
		requireOutcome(t, allowed, strict.Name("rename", string(first)))
	})
}

// FuzzSymlinkInside checks that an accepted target, put behind the path of the
// directory its link is in, never leaves the top-level entry: neither at its
// end nor after any of its components.
func FuzzSymlinkInside(f *testing.F) {
	requireCorpus(f)
	p := build(f, policy.ProfileCompat, "name-check=none")
	f.Fuzz(func(t *testing.T, dirs, rawTarget string) {
		below := directories(dirs)
		r := policy.SymlinkRequest{RawTarget: rawTarget, Depth: len(below)}
		made, read := p.Symlink(r), p.Readlink(r)
		if made.Verdict != policy.Allow {
			climbs := strings.Contains(rawTarget, "..")
			malformed := rawTarget == "" || len(rawTarget) > 4095 || strings.ContainsRune(rawTarget, 0)
			assert.True(t, climbs || malformed || strings.HasPrefix(rawTarget, "/") || len(below) == 0, "refused %q for nothing", rawTarget)
			assert.True(t, malformed || read.Verdict == policy.Refuse && read.Errno == syscall.EACCES)
			return
		}
		requireOutcome(t, allowed, read)
		at := path.Join(below...)
		for _, component := range strings.Split(rawTarget, "/") {
			at = path.Join(at, component)
			require.True(t, at == below[0] || strings.HasPrefix(at, below[0]+"/"), "%q in %q reaches %q", rawTarget, below, at)
		}
		require.Equal(t, at, path.Clean(path.Join(below...)+"/"+rawTarget))
	})
}

// directories turns fuzzed text into names that directories can have.
func directories(below string) []string {
	names := []string{}
	for _, name := range strings.Split(below, "/") {
		if storable(name) {
			names = append(names, name)
		}
	}
	return names
}
