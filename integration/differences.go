//go:build linux

package integration

// difference is one place where safetmp intends to answer otherwise than
// tmpfs.
type difference struct {
	test    string // semantic test or program
	key     string // what was looked at
	place   string // "root" or "below" where it differs in one of them only
	safetmp string // what safetmp answers
	rule    string // the policy rule, or the part of the design, that says so
	why     string
}

// differences is the whole list of intended differences between tmpfs and a
// safetmp mount with its default policy. Whoever adds a row changes what
// programs may rely on: it needs a rule of the policy or a part of DESIGN.md.
var differences = []difference{}
