package policy

import (
	"strings"
	"syscall"
)

// Violation is a refused request as an error. It never holds a name, a target
// or contents.
//
// errors.Is matches its errno and, through syscall.Errno, io/fs sentinels such
// as fs.ErrPermission; errors.As finds the syscall.Errno itself.
type Violation struct {
	// Rule is the rule that refused.
	Rule Rule
	// Op is the operation that was asked for.
	Op string
	// Errno is what the system call returns, never 0.
	Errno syscall.Errno
	// Reason is one fixed sentence without a full stop.
	Reason string
}

// Error returns "op: reason (rule NAME): errno text".
func (v *Violation) Error() string {
	var b strings.Builder
	b.WriteString(v.Op)
	b.WriteString(": ")
	b.WriteString(v.Reason)
	b.WriteString(" (rule ")
	b.WriteString(string(v.Rule))
	b.WriteString("): ")
	b.WriteString(v.Errno.Error())
	return b.String()
}

// Unwrap returns the errno, so that errors.Is(err, syscall.EPERM) holds.
func (v *Violation) Unwrap() error {
	return v.Errno
}
