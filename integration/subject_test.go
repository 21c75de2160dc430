//go:build linux

package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kinds of subject. Oracle comes first, always.
const (
	kindOracle  = "tmpfs"
	kindPrivate = "private" // safetmp mounted by root for one user
	kindUser    = "user"    // safetmp mounted by an ordinary user
	kindShared  = "shared"  // safetmp for several users
)

// The two places of a mount: names are assigned in its root alone.
const (
	placeRoot  = "root"
	placeBelow = "below"
)

// subject is a folder that a test is held against.
type subject struct {
	kind  string
	place string
	top   string // the mount
	dir   string // the folder to work in: top, or one directory below it
	test  string // whose differences apply
}

// oracle says that the subject is the host's tmpfs.
func (s *subject) oracle() bool { return s.kind == kindOracle }

// path is a path below the folder to work in.
func (s *subject) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

// intended is the differences of this run: where the page cache has no contents, reads are as on tmpfs.
var intended = slices.DeleteFunc(slices.Clone(differences), func(d difference) bool { return d.rule == "cache" && uncachedByDefault() })

// seen records which of them occurred, by index.
var seen struct {
	mu    sync.Mutex
	index map[int]bool // guarded by mu
}

// see compares what the subject did with what tmpfs does. want is proved on
// tmpfs first; on safetmp a listed difference takes its place.
func (s *subject) see(t testing.TB, key, want, got string) bool {
	t.Helper()
	for i, d := range intended {
		if s.oracle() || d.test != s.test || d.key != key || (d.place != "" && d.place != s.place) {
			continue
		}
		seen.mu.Lock()
		if seen.index == nil {
			seen.index = map[int]bool{}
		}
		seen.index[i] = true
		seen.mu.Unlock()
		require.NotEqual(t, want, d.safetmp, "the difference %q of %s is none", key, s.test)
		return assert.Equal(t, d.safetmp, got, "%s: as differences.go lists it (%s)", key, d.rule)
	}
	return assert.Equal(t, want, got, "%s", key)
}

// unseen lists the differences of test that did not occur in place.
func unseen(test, place string) []string {
	seen.mu.Lock()
	defer seen.mu.Unlock()
	var missed []string
	for i, d := range intended {
		if d.test == test && (d.place == "" || d.place == place) && !seen.index[i] {
			missed = append(missed, d.key)
		}
	}
	return missed
}

// forget starts a new count of what occurred for test.
func forget(test string) {
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for i, d := range intended {
		if d.test == test {
			delete(seen.index, i)
		}
	}
}

// mountOracle mounts a tmpfs for user, or makes a folder in /dev/shm where
// the tests may not mount.
func mountOracle(t testing.TB, mode os.FileMode, words string) string {
	t.Helper()
	if os.Getuid() != root {
		dir, err := os.MkdirTemp("/dev/shm", basePrefix)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
		return dir
	}
	dir := filepath.Join(suite.Base, "m", fmt.Sprint(mountCount.Add(1)))
	require.NoError(t, os.Mkdir(dir, 0o700))
	data := fmt.Sprintf("mode=%o,uid=%d,gid=%d,%s", mode, victim, victim, words)
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, data))
	t.Cleanup(func() {
		assert.NoError(t, unix.Unmount(dir, 0))
		assert.NoError(t, os.Remove(dir))
	})
	return dir
}

// empty removes everything that is listed in dir.
func empty(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	assert.NoError(t, err)
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		assert.NoError(t, reopen(path))
		assert.NoError(t, os.RemoveAll(path), "remove what is listed")
	}
}

// reopen gives the owner back the permissions that a test took away.
func reopen(path string) error {
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) || (err == nil && entry.IsDir()) {
			return os.Chmod(path, 0o700)
		}
		return err
	})
}

// assignedName is the form of the names that safetmp assigns.
var assignedName = regexp.MustCompile(`^[a-z2-7]{26}$`)
