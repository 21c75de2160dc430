package config

import (
	"fmt"
	"strings"
)

// UsageError says in one line which flag or option was wrong, in what way, and what is accepted instead.
type UsageError struct {
	Source   string // "--size", "-o size", "policy.toml:3"
	Problem  string
	Accepted string // empty when Problem says it already
}

// Error returns the line.
func (e *UsageError) Error() string {
	line := e.Problem
	if e.Source != "" {
		line = e.Source + ": " + line
	}
	if e.Accepted != "" {
		line += " (accepted: " + e.Accepted + ")"
	}
	return line
}

// badValue describes a value that no parser takes. The value is quoted, since it may hold anything.
func badValue(source, rawValue, wanted, accepted string) *UsageError {
	return &UsageError{Source: source, Problem: fmt.Sprintf("%s is not %s", quote(rawValue), wanted), Accepted: accepted}
}

// quote quotes what the caller wrote and keeps it short enough for one line.
func quote(raw string) string {
	const most = 64
	if len(raw) > most {
		raw = raw[:most] + "..."
	}
	return fmt.Sprintf("%q", raw)
}

// oneOf lists accepted words for an error.
func oneOf(words []string) string { return strings.Join(words, ", ") }
