package policy

import "syscall"

// Verdict says what becomes of a request.
type Verdict uint8

// The verdicts. The zero Verdict is Refuse, so that a decision nobody took
// lets nothing through.
const (
	// Refuse means that the request fails with Decision.Errno and that nothing
	// may change.
	Refuse Verdict = iota
	// Allow means that the request is carried out as asked.
	Allow
	// AllowChanged means that the request is carried out with Decision.Mode
	// in place of the mode asked for.
	AllowChanged
)

// String returns the verdict as one word, for logs.
func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case AllowChanged:
		return "change"
	}
	return "refuse"
}

// Decision is the answer to one request. It holds nothing that the caller
// sent except permission bits, so all of it may be logged.
type Decision struct {
	// Verdict says what becomes of the request.
	Verdict Verdict
	// Warned is set when the request is let through as asked only because of
	// enforce=warn. Rule, Errno and Reason then tell what would have happened;
	// Errno is 0 when it would have been a change and not a refusal.
	Warned bool
	// Errno is what the system call returns when refused.
	Errno syscall.Errno
	// Mode is the permission bits to store, at most 07777. It has a meaning
	// for Create and Chmod when the verdict is not Refuse.
	Mode uint32
	// Op is the operation as the request named it, such as "mkdir".
	Op string
	// Rule is what changed or refused the request, empty for a plain Allow.
	// [RuleFilesystem] marks the ordinary errors of any filesystem.
	Rule Rule
	// Reason is one fixed sentence without a full stop.
	Reason string
}

// Err returns nil unless the verdict is Refuse, and then a [*Violation].
func (d Decision) Err() error {
	if d.Verdict != Refuse {
		return nil
	}
	errno := d.Errno
	if errno == 0 {
		errno = syscall.EPERM
	}
	return &Violation{Rule: d.Rule, Op: d.Op, Errno: errno, Reason: d.Reason}
}

// letThrough turns what the rules said into what enforce=warn does: the
// decision of a mount without rules, marked with what it would have been.
//
// An ordinary filesystem's refusals stand. Warn mode is thereby never weaker
// than the posix profile.
func (d Decision) letThrough(lenient Decision) Decision {
	if lenient.Verdict == Refuse {
		return lenient
	}
	lenient.Warned = true
	lenient.Rule, lenient.Errno, lenient.Reason = d.Rule, d.Errno, d.Reason
	return lenient
}

func allow(op string) Decision {
	return Decision{Verdict: Allow, Op: op}
}

func refuse(op string, rule Rule, errno syscall.Errno, reason string) Decision {
	return Decision{Verdict: Refuse, Op: op, Rule: rule, Errno: errno, Reason: reason}
}
