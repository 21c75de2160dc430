package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	reasonControl   = "the name holds a control character"
	reasonUTF8      = "the name is not valid UTF-8"
	reasonMeta      = "the name holds a shell metacharacter"
	reasonLeading   = "the name starts with a character that a shell or an option parser acts on"
	reasonSpace     = "the name starts or ends with a space"
	reasonInvisible = "the name holds an invisible or direction-changing character"
)

// Characters that name-check=shell refuses. They are those that the POSIX shell
// language asks to quote (XCU 2.2), in two groups: special anywhere in a word,
// and special only at its start. A dash counts there as the start of an option
// (CWE-88). Spaces within a name are allowed.
const (
	shellMeta    = "|&;<>()$`\\\"'*?[]{}!^"
	shellLeading = "-#~=%"
)

// class tells which kinds of byte occur in a name.
type class uint8

const (
	classControl  class = 1 << iota // C0 controls and DEL
	classMeta                       // shellMeta
	classNonASCII                   // part of a UTF-8 sequence, or of none
)

var byteClasses = func() (table [256]class) {
	for b := range table {
		switch {
		case b < ' ' || b == 0x7f:
			table[b] = classControl
		case b >= utf8.RuneSelf:
			table[b] = classNonASCII
		case strings.IndexByte(shellMeta, byte(b)) >= 0:
			table[b] = classMeta
		}
	}
	return table
}()

// unsafeName returns why a name, or a component of a target, is refused at this
// level of rule name-check, or the empty string.
//
// The levels include one another:
//
//   - control refuses what Unicode calls a control character: bytes 0x01 to
//     0x1f, DEL, and the C1 controls U+0080 to U+009F, which terminals obey as
//     they obey ESC. Bytes 0x80 to 0x9f outside of valid UTF-8 are left alone,
//     as they are letters in the older encodings that this level is for.
//   - utf8 also refuses invalid UTF-8, overlong forms and surrogates included.
//   - shell also refuses shellMeta, shellLeading, white space at either end,
//     and what cannot be seen: see invisible.
func unsafeName(rawName string, check level) string {
	if check == nameCheckNone {
		return ""
	}
	var seen class
	for i := range len(rawName) {
		seen |= byteClasses[rawName[i]]
	}
	if seen&classControl != 0 {
		return reasonControl
	}
	if seen&classNonASCII != 0 {
		if reason := unsafeRunes(rawName, check); reason != "" {
			return reason
		}
	}
	if check != nameCheckShell {
		return ""
	}
	if seen&classMeta != 0 {
		return reasonMeta
	}
	return unsafeEnds(rawName)
}

// unsafeRunes is the part of unsafeName about code points beyond ASCII.
func unsafeRunes(rawName string, check level) string {
	for i := 0; i < len(rawName); {
		r, size := utf8.DecodeRuneInString(rawName[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
			if check <= nameCheckUTF8 {
				return reasonUTF8
			}
		case unicode.IsControl(r):
			return reasonControl
		case check == nameCheckShell && invisible(r):
			return reasonInvisible
		}
	}
	return ""
}

// unsafeEnds is the part of unsafeName about the first and last character.
func unsafeEnds(rawName string) string {
	if rawName == "" {
		return ""
	}
	if strings.IndexByte(shellLeading, rawName[0]) >= 0 {
		return reasonLeading
	}
	first, _ := utf8.DecodeRuneInString(rawName)
	last, _ := utf8.DecodeLastRuneInString(rawName)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		return reasonSpace
	}
	return ""
}

// invisible reports whether a character shows nothing or changes the direction
// of what follows, so that two names can look the same or one can look like
// another: format characters (the bidi controls, zero-width joiners and
// spaces, soft hyphen, tags), line and paragraph separators, variation
// selectors and fillers. Emoji that are joined from several are thereby
// refused, too. Format characters that do show, such as the Arabic number sign,
// are not.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}
