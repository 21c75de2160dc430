package fs

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"safetmp/policy"
)

// Refusal is one request that the policy refused or, where it only warns,
// would have refused. It carries no content.
type Refusal struct {
	Time     time.Time
	Rule     policy.Rule
	Op       string
	RawName  string // as the workload wrote it, empty where the request names none; valid while Report runs
	Errno    syscall.Errno
	Reason   string
	UID, PID uint32
	Command  string
	Warned   bool // let through, since the policy only warns
}

// refusals counts decisions by rule.
type refusals struct {
	refused, changed, warned counters
}

// counters holds one *atomic.Uint64 for each rule that ever decided.
type counters struct{ byRule sync.Map }

func (c *counters) add(rule policy.Rule) {
	n, ok := c.byRule.Load(rule)
	if !ok {
		n, _ = c.byRule.LoadOrStore(rule, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

func (c *counters) snapshot() map[policy.Rule]uint64 {
	out := map[policy.Rule]uint64{}
	c.byRule.Range(func(rule, n any) bool {
		out[rule.(policy.Rule)] = n.(*atomic.Uint64).Load()
		return true
	})
	return out
}

// judge counts and reports a decision, and returns what the request must fail
// with, nil if it may go on. The ordinary errors of any filesystem are neither
// counted nor reported.
func (f *FS) judge(c caller, op, rawName string, d policy.Decision) error {
	switch {
	case d.Rule == policy.RuleFilesystem:
		return d.Err()
	case d.Warned:
		f.refusals.warned.add(d.Rule)
	case d.Verdict == policy.Refuse:
		f.refusals.refused.add(d.Rule)
	case d.Verdict == policy.AllowChanged:
		f.refusals.changed.add(d.Rule)
		return nil
	default:
		return nil
	}
	f.report(c, op, rawName, d)
	return d.Err()
}

func (f *FS) report(c caller, op, rawName string, d policy.Decision) {
	if f.opts.Report == nil {
		return
	}
	f.opts.Report(Refusal{
		Time: f.opts.Now(), Rule: d.Rule, Op: op, RawName: rawName, Errno: d.Errno, Reason: d.Reason,
		UID: c.uid, PID: c.pid, Command: f.opts.Command(c.pid), Warned: d.Warned,
	})
}

// Counters are how often each rule decided, since the mount; rules that never
// did are absent.
type Counters struct {
	Refused map[policy.Rule]uint64 // answered with an errno
	Changed map[policy.Rule]uint64 // allowed with a narrower mode
	Warned  map[policy.Rule]uint64 // let through by enforce=warn
}

// Counters returns the decisions so far.
func (f *FS) Counters() Counters {
	r := &f.refusals
	return Counters{Refused: r.refused.snapshot(), Changed: r.changed.snapshot(), Warned: r.warned.snapshot()}
}
