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
	{"private", words("mode=755", "encrypt=off"), false, true},
	{"shared", words("mode=1777", wholly, "encrypt=off"), true, true},
	{"private encrypted", words("mode=755", "encrypt=on"), false, true}, // direct, as cache=auto has it
	{"shared encrypted", words("mode=1777", wholly, "encrypt=on"), true, false},
	{"private passthrough", words("mode=755", "io=passthrough"), false, true},
	{"shared passthrough", words("mode=1777", wholly, "io=passthrough"), true, false},
	{"private direct", words("mode=755", "encrypt=off", "cache=direct"), false, false},
	{"shared direct", words("mode=1777", wholly, "encrypt=off", "cache=direct"), true, false},
	{"private encrypted cached", words("mode=755", "encrypt=on", "cache=cached"), false, false},
	{"shared encrypted cached", words("mode=1777", wholly, "encrypt=on", "cache=cached"), true, false},
	{"private checked", words("mode=755", "encrypt=off", "default_permissions"), false, false},
}

// wholly is a shared mount on which one user may use all there is.
const wholly = "shared,user_size=100%,user_inodes=1t"

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

// rowsWithMuchData is rowsToRun for suites that write and read for long: in CI without passthrough, whose data the kernel moves.
func rowsWithMuchData() []combination {
	return slices.DeleteFunc(rowsToRun(), func(c combination) bool { return !soak && slices.Contains(c.words, "io=passthrough") })
}

// mountRow mounts one configuration in a process that can check itself.
func (c combination) mountRow(t testing.TB, more ...string) *live {
	t.Helper()
	return mountChecked(t, spend(shortBound, longBound), slices.Concat(c.words, more)...)
}
