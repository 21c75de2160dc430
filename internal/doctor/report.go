package doctor

// Verdict says how much a finding matters, from Ok to Fail.
type Verdict string

const (
	// Ok means that there is nothing to say.
	Ok Verdict = "ok"
	// Note means that every promise is kept, and that there is something to know or to gain.
	Note Verdict = "note"
	// Warn means that something is weaker than promised.
	Warn Verdict = "warn"
	// Fail means that a command does not work.
	Fail Verdict = "fail"
)

// rank orders verdicts.
var rank = map[Verdict]int{Ok: 0, Note: 1, Warn: 2, Fail: 3}

// Names of the commands that a finding can stop, for Check.Stops.
const (
	Mount = "mount"
	Run   = "run"
)

// Check is one finding.
type Check struct {
	Name    string   `json:"name"` // stable
	Verdict Verdict  `json:"verdict"`
	Found   string   `json:"found"`           // what was seen
	Means   string   `json:"means,omitempty"` // for a user of safetmp
	Fix     string   `json:"fix,omitempty"`   // empty if there is nothing to mend
	Stops   []string `json:"stops,omitempty"` // commands that cannot work, only with Fail
}

// Report is the result of an examination.
type Report struct {
	Verdict Verdict `json:"verdict"` // the worst of the checks
	Mount   bool    `json:"mount"`   // `safetmp mount` works
	Run     bool    `json:"run"`     // `safetmp run` works
	Checks  []Check `json:"checks"`
}

// Usable reports whether anything can be mounted at all, by either command.
func (r Report) Usable() bool { return r.Mount || r.Run }

// Kept reports whether both commands work and keep every promise.
func (r Report) Kept() bool { return rank[r.Verdict] < rank[Warn] }

// examinations are all checks in the order of the report: what the commands need first, then where contents could end
// up, then what would make them faster or stricter.
var examinations = []func(System) Check{
	checkDevice, checkMount, checkSharing, checkNamespaces, checkProc, checkKernel,
	checkSwap, checkMemlock, checkHibernation, checkCore, checkInitOnFree, checkCgroup,
	checkNoSymfollow, checkDirectIO, checkPassthrough, checkIOUring, checkSecretMemory,
	checkTracing, checkLinks,
}

// Examine judges a machine.
func Examine(s System) Report {
	r := Report{Verdict: Ok, Mount: true, Run: true}
	for _, examine := range examinations {
		r.add(examine(s))
	}
	return r
}

func (r *Report) add(c Check) {
	r.Checks = append(r.Checks, c)
	if rank[c.Verdict] > rank[r.Verdict] {
		r.Verdict = c.Verdict
	}
	for _, command := range c.Stops {
		r.Mount = r.Mount && command != Mount
		r.Run = r.Run && command != Run
	}
}
