package main

import (
	"errors"
	"fmt"
	"io"

	"safetmp/internal/launch"
)

// failure is an error that already knows its exit code. Commands return it where the table in exitcode.go cannot
// derive the code from the error itself.
type failure = launch.Failure

// hinter is implemented by errors that know what the caller may try next.
type hinter interface{ Hint() string }

// exitWith ends a command with a status and no message: `run` hands on the status of the command it ran.
func exitWith(code int) error { return &failure{Code: code} }

// failureOf turns any error of a command into its exit code, one line and a hint.
func failureOf(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	f := &failure{Code: codeOf(err), Message: err.Error()}
	var h hinter
	if errors.As(err, &h) {
		f.Hint = h.Hint()
	}
	return f
}

// finish reports the error of a command, if any, and returns the exit status.
func (a *app) finish(err error) int {
	if err == nil {
		return exitOK
	}
	f := failureOf(err)
	printFailure(a.stderr, f)
	return f.Code
}

// printFailure writes the error line, the details and, where there is one, the hint line. A file name in any of them may hold
// a newline, so each is cleaned.
func printFailure(w io.Writer, f *failure) {
	if f.Message != "" {
		fmt.Fprintf(w, "%s: %s\n", programName, clean(f.Message))
	}
	for _, detail := range f.Details {
		fmt.Fprintf(w, "%s:   %s\n", programName, clean(detail))
	}
	if f.Hint != "" {
		fmt.Fprintf(w, "%s: hint: %s\n", programName, clean(f.Hint))
	}
}
