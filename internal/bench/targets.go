package bench

import "math"

// target is a promise about speed: a figure in one of our modes is at least
// factor times as good as in another one.
type target struct {
	what    string
	figures []string
	mode    string
	factor  float64
	against string
}

var (
	answered = []string{"open-read-close/1", "stat-missing/1", "readdir-cached/1"}
	creating = []string{"create4k/1", "create4k/2", "create4k/8"}
	sweeping = []string{"write-fresh-128k", "write-over-128k", "write-direct-1m", "read-cold-128k", "read-direct-1m"}
	directly = []string{"random-read-direct-4k/1", "random-read-direct-4k/8", "random-write-direct-4k/1"}
	passing  = []string{"write-fresh-128k", "write-over-128k", "read-cold-128k", "random-read-direct-4k/1", "random-write-direct-4k/1", "append-4k/1",
		"mmap-read", "mmap-write"}
	reading = []string{"read-cold-128k", "read-direct-1m"}
	writing = []string{"write-over-128k", "write-direct-1m"}
)

// targets is the table of them.
var targets = []target{
	{"the kernel answers alone", answered, "safetmp", 0.8, "tmpfs"},
	{"create, write 4 KiB, close, unlink over rings", creating, "safetmp-uring", 1, "memfs_ll-uring"},
	{"the same", creating, "safetmp-uring", 3, "gocryptfs"},
	{"the same", creating, "safetmp-uring", 2, "go-fuse-memfs"},
	{"the same without rings", creating, "safetmp", 1.3, "go-fuse-memfs"},
	{"the same without rings", creating, "safetmp", 1, "memfs_ll"},
	{"unpacking small files over rings", []string{"untar"}, "safetmp-uring", 1 / 2.5, "tmpfs"},
	{"unpacking small files without rings", []string{"untar"}, "safetmp", 1 / 6., "tmpfs"},
	{"unpacking small files without rings", []string{"untar"}, "safetmp", 4, "gocryptfs"},
	{"passthrough", passing, "safetmp-passthrough", 0.9, "tmpfs"},
	{"sequential writing and reading", sweeping, "safetmp", 1, "memfs_ll"},
	{"random access over rings", directly, "safetmp-uring", 2.5, "go-fuse-memfs"},
	{"encrypted reading", reading, "safetmp-encrypted", 1.3, "gocryptfs"},
	{"encrypted writing", writing, "safetmp-encrypted", 2, "gocryptfs"},
	{"encrypted small files over rings", append([]string{"untar"}, creating...), "safetmp-encrypted-uring", 3, "gocryptfs"},
	{"encrypted small files without rings", append([]string{"untar"}, creating...), "safetmp-encrypted", 3, "gocryptfs"},
	{"a command in a private /tmp", []string{rowRun}, "safetmp", 0.5, "bwrap"},
}

// verdict is a target held against what was measured.
type verdict struct {
	target
	figure string
	ratio  float64 // NaN if a side was not measured
	spread float64 // of the wider side
}

// verdicts judges every figure of every target.
func (r *Result) verdicts() []verdict {
	var all []verdict
	for _, t := range targets {
		for _, figure := range t.figures {
			v := verdict{target: t, figure: figure, ratio: r.ratio(figure, t.mode, t.against), spread: math.NaN()}
			if !math.IsNaN(v.ratio) {
				v.spread = max(Spread(r.find(figure, t.mode).Values), Spread(r.find(figure, t.against).Values))
			}
			all = append(all, v)
		}
	}
	return all
}

// bounds are targets about a figure alone; at most, unless atLeast.
var bounds = []struct {
	what, figure, mode string
	limit              float64
	atLeast            bool
}{
	{"sequential writing", "write-direct-1m", "safetmp", 2000, true},
	{"sequential reading", "read-direct-1m", "safetmp", 2000, true},
	{"encrypted writing", "write-direct-1m", "safetmp-encrypted", 1300, true},
	{"encrypted reading", "read-direct-1m", "safetmp-encrypted", 1300, true},
	{"memory of the daemon", "memory per byte of data", "safetmp", 1.10, false},
	{"memory of the daemon", "memory per empty file", "safetmp", 500, false},
}

// held says how a figure stands to a bound: "yes", "no", or "not measured".
func held(value, limit float64, atLeast bool) string {
	switch {
	case math.IsNaN(value):
		return "not measured"
	case atLeast == (value >= limit), value == limit:
		return "yes"
	}
	return "**no**"
}
