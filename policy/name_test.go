package policy_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"safetmp/policy"
)

func TestNameLength(t *testing.T) {
	tooLong := refused(policy.RuleFilesystem, syscall.ENAMETOOLONG)
	for _, profile := range policy.Profiles() {
		p := build(t, profile)
		requireOutcome(t, allowed, p.Name("mkdir", "a"))
		requireOutcome(t, allowed, p.Name("mkdir", strings.Repeat("a", 254)))
		requireOutcome(t, allowed, p.Name("mkdir", strings.Repeat("a", 255)))
		requireOutcome(t, tooLong, p.Name("mkdir", strings.Repeat("a", 256)))
		// Bytes count, not characters: 127 of two bytes and one more.
		requireOutcome(t, allowed, p.Name("mkdir", strings.Repeat("é", 127)+"a"))
		requireOutcome(t, tooLong, p.Name("mkdir", strings.Repeat("é", 128)))
		// A name that is too long is that first of all.
		requireOutcome(t, tooLong, p.Name("mkdir", strings.Repeat("\x00", 256)))
	}
}

// Each byte alone within a name, against what the levels say about it.
func TestNameBytes(t *testing.T) {
	const meta = "|&;<>()$`\\\"'*?[]{}!^"
	for b := range 256 {
		rawName := "a" + string([]byte{byte(b)}) + "b"
		control := b < 0x20 || b == 0x7f
		utf8 := control || b >= 0x80
		shell := utf8 || strings.IndexByte(meta, byte(b)) >= 0
		for _, tt := range []struct {
			check string
			bad   bool
		}{{"none", false}, {"control", control}, {"utf8", utf8}, {"shell", shell}} {
			d := build(t, policy.ProfileTmpdir, "name-check="+tt.check).Name("mkdir", rawName)
			want := allowed
			switch {
			case b == 0 || b == '/':
				want = refused(policy.RuleFilesystem, syscall.EINVAL)
			case tt.bad:
				want = refused(policy.RuleNameCheck, syscall.EINVAL)
			}
			requireOutcome(t, want, d)
		}
	}
}

func TestNameCheckShell(t *testing.T) {
	p := build(t, policy.ProfileStrict)
	refusedNames := map[string]string{
		"dash alone": "-", "option": "--help", "comment": "#a", "home": "~a", "zsh command path": "=a", "job": "%1",
		"space alone": " ", "no-break space first": "\u00a0a", "ideographic space last": "a\u3000",
		"left-to-right mark": "a\u200e", "right-to-left embedding": "a\u202b", "isolate": "a\u2067", "arabic letter mark": "a\u061c",
		"zero width space": "\u200b", "zero width joiner": "a\u200db", "word joiner": "a\u2060", "byte order mark": "\ufeffa",
		"soft hyphen": "a\u00adb", "tag": "a\U000e0041", "variation selector": "a\ufe0f", "hangul filler": "\u3164",
		"line separator": "a\u2028b", "paragraph separator": "a\u2029b", "mongolian vowel separator": "a\u180e",
		"grapheme joiner": "a\u034f", "C1 next line": "a\u0085b",
	}
	for what, rawName := range refusedNames {
		t.Run(what, func(t *testing.T) {
			requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), p.Name("mkdir", rawName))
		})
	}
	for _, rawName := range []string{
		"a", "...", ".hidden", "a-b", "a b", "a#b", "a~", "a=b", "100%", "a+b,c@d:e", "_", "été", "文件", "\u0600", "e\u0301", "🙂",
	} {
		requireOutcome(t, allowed, p.Name("mkdir", rawName))
	}
}

// Bytes 0x80 to 0x9f are C1 controls only as code points: at level control
// they are letters of an older encoding.
func TestNameCheckControlKeepsOlderEncodings(t *testing.T) {
	p := build(t, policy.ProfileCompat)
	requireOutcome(t, allowed, p.Name("mkdir", "a\x9bb"))
	requireOutcome(t, allowed, p.Name("mkdir", "caf\xe9"))
	requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), p.Name("mkdir", "caf\xe9\u009b"))
	requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), p.Name("mkdir", "a\u0080"))
	requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), p.Name("mkdir", "a\u009f"))
	requireOutcome(t, allowed, p.Name("mkdir", "a\u00a0"))
}

func TestNameNeverInReason(t *testing.T) {
	p := build(t, policy.ProfileStrict)
	err := p.Name("mkdir", "secret\n").Err()
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.NotContains(t, err.Error(), "secret")
	assert.Equal(t, "mkdir: the name holds a control character (rule name-check): invalid argument", err.Error())
}
