package suites

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"github.com/stretchr/testify/require"
)

// TestPosix runs go-fuse's public suite on tmpfs and in each configuration of
// safetmp.
func TestPosix(t *testing.T) {
	var names []string
	for name := range posixtest.All {
		if !tolerated("posixtest", name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	require.Greater(t, len(names), 25, "the suite")
	oracle := mountTmpfs(t, "size=64m,mode=700")
	sound := t.Run("tmpfs", func(t *testing.T) { runAllPosix(t, names, oracle) })
	require.True(t, sound, "what does not hold on tmpfs belongs into the table of differences")
	for _, c := range rowsToRun() {
		t.Run(c.name, func(t *testing.T) {
			m := c.mountRow(t, posix, "size=64m")
			runAllPosix(t, names, m.dir)
			m.check(t)
		})
	}
	t.Logf("%d tests on each, left out: %v", len(names), occurrences("posixtest"))
}

func runAllPosix(t *testing.T, names []string, top string) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(top, name)
			require.NoError(t, os.Mkdir(dir, 0o755))
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
			posixtest.All[name](t, dir)
		})
	}
}
