package policy_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// zeros is a source in which each name is 26 times "a".
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

var allA = strings.Repeat("a", 26)

func TestAssignTemplates(t *testing.T) {
	tests := []struct{ template, rawName, want string }{
		{"", "file.txt", allA},
		{"{random}", "file.txt", allA},
		{"tmp.{random}", "file.txt", "tmp." + allA},
		{"{stem}-{random}{ext}", "file.txt", "file-" + allA + ".txt"},
		{"{random}{ext}", "a.tar.gz", allA + ".gz"},
		{"{stem}.{random}", "a.tar.gz", "a_tar." + allA},
		{"{random}{ext}", "noext", allA},
		{"{random}{ext}", ".bashrc", allA},
		{"{random}{ext}", "trailing.", allA},
		{"{stem}{random}", "trailing.", "trailing_" + allA},
		{"{random}{ext}", "a.b c\n", allA + ".b_c_"},
		{"{stem}{random}", "", allA},
		{"{stem}_{random}", "été ;rm\xff", "_t___rm__" + allA},
		// No name starts with a dash, whoever asked for it.
		{"{stem}{random}", "-rf", "_rf" + allA},
		{"{stem}-{random}", "", "_" + allA},
		{"-{random}", "", "_" + allA},
		{".{random}", "a", "." + allA},
		{"{ext}{random}", "a.b", ".b" + allA},
		{"{stem}{random}", "..", "__" + allA},
		// What a requested name gives is bounded: 64 and 17 bytes.
		{"{stem}{random}", strings.Repeat("x", 65), strings.Repeat("x", 64) + allA},
		{"{random}{ext}", "a." + strings.Repeat("x", 17), allA + "." + strings.Repeat("x", 16)},
		{"{stem}{random}", strings.Repeat("x", 63) + "é", strings.Repeat("x", 63) + "_" + allA},
	}
	for _, tt := range tests {
		n, err := policy.NewNamer(zeros{}, tt.template)
		require.NoError(t, err, tt.template)
		name, err := n.Assign(tt.rawName)
		require.NoError(t, err)
		assert.Equal(t, tt.want, string(name), "%q of %q", tt.template, tt.rawName)
	}
}

func TestNewNamerErrors(t *testing.T) {
	const accepted = " (letters, digits, . _ - and the fields {random} (required), {stem}, {ext})"
	tests := []struct{ template, want string }{
		{"{stem}", `name template "{stem}": {random} is missing`},
		{"tmp", `name template "tmp": {random} is missing`},
		{"{random}{random}", `name template "{random}{random}": field {random} is there twice`},
		{"{stem}{random}{stem}", `name template "{stem}{random}{stem}": field {stem} is there twice`},
		{"{random}{uid}", `name template "{random}{uid}": unknown field "{uid}"`},
		{"{random", `name template "{random": no closing brace in "{random"`},
		{"{RANDOM}", `name template "{RANDOM}": unknown field "{RANDOM}"`},
		{"{random}/x", `name template "{random}/x": character "/" is not allowed`},
		{"a b{random}", `name template "a b{random}": character " " is not allowed`},
		{"é{random}", `name template "é{random}": character "é" is not allowed`},
		{"{random}}", `name template "{random}}": character "}" is not allowed`},
		{"{random}\x00", `name template "{random}\x00": character "\x00" is not allowed`},
		{"{random}\xff", `name template "{random}\xff": character "` + "\ufffd" + `" is not allowed`},
		{"{random}" + strings.Repeat("a", 129), `name template "{random}` + strings.Repeat("a", 56) + `"...: more than 128 bytes of text`},
	}
	for _, tt := range tests {
		_, err := policy.NewNamer(zeros{}, tt.template)
		var parseErr *policy.ParseError
		require.ErrorAs(t, err, &parseErr, "%q", tt.template)
		assert.EqualError(t, err, tt.want+accepted)
	}
}

func TestAssignLongest(t *testing.T) {
	text := strings.Repeat("a", 128)
	n, err := policy.NewNamer(rand.Reader, text+"{stem}{random}{ext}")
	require.NoError(t, err)
	name, err := n.Assign(strings.Repeat("b", 200) + "." + strings.Repeat("c", 54))
	require.NoError(t, err)
	assert.Len(t, name, 128+64+26+17)
	assert.LessOrEqual(t, len(name), policy.MaxName)
}

// All 128 bits reach the name, in the order that base32 gives them.
func TestAssignUsesEveryBit(t *testing.T) {
	seen := make(map[string]bool)
	for bit := range 128 {
		source := make([]byte, 16)
		source[bit/8] = 0x80 >> (bit % 8)
		n, err := policy.NewNamer(bytes.NewReader(source), "")
		require.NoError(t, err)
		name, err := n.Assign("")
		require.NoError(t, err)
		require.Len(t, name, 26)
		assert.NotEqual(t, byte('a'), name[bit/5], "bit %d stands in character %d", bit, bit/5)
		assert.False(t, seen[string(name)])
		seen[string(name)] = true
	}
}

func TestAssignFromCryptoRand(t *testing.T) {
	n, err := policy.NewNamer(rand.Reader, "")
	require.NoError(t, err)
	form := regexp.MustCompile(`^[a-z2-7]{26}$`)
	seen := make(map[string]bool)
	for range 1000 {
		name, err := n.Assign("same")
		require.NoError(t, err)
		require.Regexp(t, form, string(name))
		require.False(t, seen[string(name)])
		seen[string(name)] = true
	}
}

// No randomness, no name: not a shorter one, not a guessable one.
func TestAssignFailsWithItsSource(t *testing.T) {
	sources := map[string]struct {
		reader io.Reader
		want   error
	}{
		"error": {iotest.ErrReader(io.ErrClosedPipe), io.ErrClosedPipe},
		"empty": {bytes.NewReader(nil), io.EOF},
		"short": {bytes.NewReader(make([]byte, 15)), io.ErrUnexpectedEOF},
	}
	for what, tt := range sources {
		t.Run(what, func(t *testing.T) {
			n, err := policy.NewNamer(tt.reader, "")
			require.NoError(t, err)
			name, err := n.Assign("a")
			require.ErrorIs(t, err, tt.want)
			assert.Empty(t, name)
		})
	}
}

func TestAssignReadsSlowSources(t *testing.T) {
	n, err := policy.NewNamer(iotest.OneByteReader(zeros{}), "")
	require.NoError(t, err)
	name, err := n.Assign("a")
	require.NoError(t, err)
	assert.Equal(t, allA, string(name))
}

func BenchmarkAssign(b *testing.B) {
	n, err := policy.NewNamer(rand.Reader, "{stem}.{random}{ext}")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Assign("source.c"); err != nil {
			b.Fatal(err)
		}
	}
}
