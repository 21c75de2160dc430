//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// semantic is one expectation about a filesystem, to be proved on tmpfs.
type semantic func(t *testing.T, s *subject)

// semantics holds every semantic test by name; the files semantics_*_test.go
// fill it.
var semantics = map[string]semantic{}

// register adds the tests of one file.
func register(tests map[string]semantic) bool {
	for name, test := range tests {
		if _, twice := semantics[name]; twice {
			panic("semantic test registered twice: " + name)
		}
		semantics[name] = test
	}
	return true
}

// TestSemantics runs each semantic test as an ordinary user on tmpfs and on
// each kind of mount, in its root and in a directory below.
func TestSemantics(t *testing.T) {
	subjects := allSubjects(t)
	var names []string
	for name := range semantics {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { holdAgainstAll(t, name, subjects) })
	}
}

// allSubjects mounts one of each kind and lists their places, oracle first.
func allSubjects(t *testing.T) []subject {
	mounts := []struct{ kind, dir string }{{kindOracle, mountOracle(t, 0o700, "size=256m,nr_inodes=20k")}}
	if !*oracleOnly {
		limits := options("size=256m", "nr_inodes=20k")
		long := bound(4 * testBound)
		private := mountTest(t, limits, long)
		mounts = append(mounts, struct{ kind, dir string }{kindPrivate, private.dir})
		if os.Getuid() == root {
			mounts = append(mounts, struct{ kind, dir string }{kindShared, mountTest(t, limits, long, options("shared")).dir})
		}
		if os.Getuid() == root && !passthroughByDefault() {
			mounts = append(mounts, struct{ kind, dir string }{kindUser, mountTest(t, limits, long, mountedBy(victim)).dir})
		}
	}
	var subjects []subject
	for _, m := range mounts {
		below := filepath.Join(m.dir, "below")
		require.NoError(t, as(user(), func() error { return os.Mkdir(below, 0o700) }))
		subjects = append(subjects,
			subject{kind: m.kind, place: placeRoot, top: m.dir, dir: m.dir},
			subject{kind: m.kind, place: placeBelow, top: m.dir, dir: below})
	}
	return subjects
}

// holdAgainstAll runs one test on every subject. A failure on the oracle means
// that the expectation is wrong, so safetmp is not judged by it.
func holdAgainstAll(t *testing.T, name string, subjects []subject) {
	sound := true
	for _, s := range subjects {
		s.test = name
		passed := t.Run(s.kind+"/"+s.place, func(t *testing.T) {
			if !sound {
				t.Skip("the expectation does not hold on tmpfs")
			}
			holdAgainst(t, &s)
		})
		sound = sound && (passed || !s.oracle())
	}
}

// holdAgainst runs the test of s as an ordinary user and checks that it leaves
// nothing, in the listing as in the accounting.
func holdAgainst(t *testing.T, s *subject) {
	become(t, user())
	before, err := hosttest.UsageOf(s.top)
	require.NoError(t, err)
	kept, err := os.ReadDir(s.top)
	require.NoError(t, err)
	forget(s.test)
	t.Cleanup(func() {
		if s.place == placeRoot {
			removeExcept(t, s.top, kept)
		} else {
			empty(t, s.dir)
		}
		hosttest.SettlesTo(t, s.top, before)
	})
	semantics[s.test](t, s)
	if !s.oracle() && !t.Failed() {
		assert.Empty(t, unseen(s.test, s.place), "listed differences that did not occur")
	}
}

// removeExcept empties dir but for the entries that were there before.
func removeExcept(t testing.TB, dir string, kept []os.DirEntry) {
	t.Helper()
	names := map[string]bool{}
	for _, entry := range kept {
		names[entry.Name()] = true
	}
	entries, err := os.ReadDir(dir)
	assert.NoError(t, err)
	for _, entry := range entries {
		if path := filepath.Join(dir, entry.Name()); !names[entry.Name()] {
			assert.NoError(t, reopen(path))
			assert.NoError(t, os.RemoveAll(path), "remove what is listed")
		}
	}
}

// TestDifferencesAreKnown keeps the table free of rows that nothing checks.
func TestDifferencesAreKnown(t *testing.T) {
	for _, d := range differences {
		_, isTest := semantics[d.test]
		_, isProgram := programs[d.test]
		assert.True(t, isTest || isProgram, "%q in differences.go is no test", d.test)
		assert.NotEmpty(t, d.rule, "%s, %s", d.test, d.key)
		assert.NotEmpty(t, d.why, "%s, %s", d.test, d.key)
		assert.Contains(t, []string{"", placeRoot, placeBelow}, d.place)
	}
}
