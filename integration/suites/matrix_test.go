package suites

import (
	"slices"
	"testing"
	"time"
)

// combination is one configuration of a mount.
type combination struct {
	name   string
	words  []string // beside those of the suite
	shared bool     // several users act on it
	ci     bool     // else only a soak runs it
}

// matrix is the configurations that the suites run over.
var matrix = []combination{
	{"private", words("mode=755"), false, true},
	{"shared", words("mode=1777", "shared", "user_size=100%", "user_inodes=1t"), true, true},
}

func words(list ...string) []string { return list }

// posix is the profile that keeps what an ordinary filesystem keeps.
const posix = "profile=posix"

// The bounds of one mount in a suite.
const (
	shortBound = 3 * time.Minute
	longBound  = 30 * time.Minute
)

// rowsToRun is the configurations of this run.
func rowsToRun() []combination {
	return slices.DeleteFunc(slices.Clone(matrix), func(c combination) bool { return !c.ci && !soak })
}

// mountRow mounts one configuration in a process that can check itself.
func (c combination) mountRow(t testing.TB, more ...string) *live {
	t.Helper()
	return mountChecked(t, spend(shortBound, longBound), slices.Concat(c.words, more)...)
}
