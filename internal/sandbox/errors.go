package sandbox

import (
	"errors"
	"fmt"
)

// Statuses of Run when the command has none, as env(1), timeout(1) and docker-run(1) have them.
const (
	StatusFailed        = 125 // safetmp failed, before the command ran or under it
	StatusNotExecutable = 126 // the command was found and cannot be executed
	StatusNotFound      = 127 // the command was not found
	statusSignalBase    = 128 // plus the number of the signal that ended the command
)

// Error is a failure of safetmp, not of the command. It travels between our processes as JSON.
type Error struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
}

// Error returns one line.
func (e *Error) Error() string { return e.Message }

// Hint says what the caller may try, empty if there is nothing to say.
func (e *Error) Hint() string { return e.Advice }

// failed is a failure of ours with what was being done. The hint of the cause, if it has one, is kept.
func failed(doing string, cause error) *Error {
	var known *Error
	if errors.As(cause, &known) {
		return known
	}
	e := &Error{Status: StatusFailed, Message: fmt.Sprintf("%s: %v", doing, cause)}
	var h interface{ Hint() string }
	if errors.As(cause, &h) {
		e.Advice = h.Hint()
	}
	return e
}
