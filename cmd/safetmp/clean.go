package main

import (
	"strconv"
	"strings"
	"unicode"
)

// clean makes text that a daemon or a workload chose fit for a terminal: everything that is not printable, control
// sequences, bidirectional overrides and broken UTF-8 included, becomes an escape as in Go (CWE-150).
func clean(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unprintable(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
