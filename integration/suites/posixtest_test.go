package suites

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"github.com/stretchr/testify/require"
)

// TestPosix runs go-fuse's public suite on tmpfs and on safetmp. A test that
// does not pass on tmpfs is not held against safetmp.
func TestPosix(t *testing.T) {
	oracle := mountTmpfs(t, "size=64m,mode=700")
	subject := mountProduct(t, 90*time.Second, "profile=posix", "size=64m", "mode=700").dir
	var names []string
	for name := range posixtest.All {
		names = append(names, name)
	}
	slices.Sort(names)
	require.Greater(t, len(names), 25, "the suite")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			sound := t.Run("tmpfs", func(t *testing.T) { runPosix(t, name, oracle) })
			t.Run("safetmp", func(t *testing.T) {
				if !sound {
					t.Skip("it does not pass on tmpfs")
				}
				runPosix(t, name, subject)
			})
		})
	}
}

func runPosix(t *testing.T, name, top string) {
	dir := filepath.Join(top, name)
	require.NoError(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	posixtest.All[name](t, dir)
}
