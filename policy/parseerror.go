package policy

import (
	"strconv"
	"strings"
)

// ParseError is a setting that cannot be read. Its text is one line.
type ParseError struct {
	// File is the policy file, or the flag or option when Line is 0.
	File string
	// Line is the line in the file, counted from 1; 0 when there is none.
	Line int
	// Problem is what was wrong.
	Problem string
	// Accepted is what would have been right.
	Accepted string
}

// Error returns "FILE:LINE: problem (accepted)".
func (e *ParseError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(e.Line))
	}
	b.WriteString(": ")
	b.WriteString(e.Problem)
	b.WriteString(" (")
	b.WriteString(e.Accepted)
	b.WriteByte(')')
	return b.String()
}

// maxQuoted bounds how much of a bad setting a message repeats, in bytes.
const maxQuoted = 64

// quote makes input fit for a one-line message.
func quote(input string) string {
	if len(input) > maxQuoted {
		return strconv.Quote(input[:maxQuoted]) + "..."
	}
	return strconv.Quote(input)
}
