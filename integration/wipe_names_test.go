//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// naming makes entries whose names are markers and remembers what each is.
type naming struct {
	dir             string
	symlinks, fifos bool
	made            map[marker]string // what has the name
}

// path is a fresh name in a directory of the mount.
func (n *naming) path(t testing.TB, dir, what string) string {
	m := nameMarker(t)
	n.made[m] = what
	return filepath.Join(dir, string(m[:])+strings.Repeat("-", len(n.made)%3*20)) // of several lengths
}

// assigned remembers the assigned name of an entry of the root.
func (n *naming) assigned(path, what string) error {
	name := make([]byte, 300)
	_, err := unix.Getxattr(path, "user.safetmp.name", name)
	switch {
	case err == nil:
		n.made[marker(name[:16])] = "assigned name of " + what
	case errors.Is(err, unix.ENODATA): // below the naming root
		return nil
	}
	return err
}

// file makes an empty file.
func (n *naming) file(t testing.TB, dir, what string) string {
	path := n.path(t, dir, what)
	assert.NoError(t, os.WriteFile(path, nil, 0o600), what)
	assert.NoError(t, n.assigned(path, what), what)
	return path
}

// folder makes a directory.
func (n *naming) folder(t testing.TB, dir, what string) string {
	path := n.path(t, dir, what)
	assert.NoError(t, os.Mkdir(path, 0o700), what)
	assert.NoError(t, n.assigned(path, what), what)
	return path
}

// fill makes entries of each kind, and renames some.
func (n *naming) fill(t testing.TB) {
	sub := n.folder(t, n.dir, "directory")
	deep := n.folder(t, sub, "directory in a directory")
	for _, dir := range []string{n.dir, sub, deep} {
		place := fmt.Sprintf("%q", strings.TrimPrefix(dir, n.dir))[:2]
		file := n.file(t, dir, "file "+place)
		assert.NoError(t, unix.Link(file, n.path(t, dir, "hard link "+place)))
		if n.fifos {
			assert.NoError(t, unix.Mkfifo(n.path(t, dir, "FIFO "+place), 0o600))
		}
		for _, to := range []string{n.dir, sub, deep} {
			from := n.file(t, dir, "moved")
			assert.NoError(t, unix.Rename(from, n.path(t, to, "moved there")))
			assert.NoError(t, unix.Rename(n.file(t, dir, "moved over another"), n.file(t, to, "replaced")))
			a, b := n.file(t, dir, "exchanged"), n.file(t, to, "exchanged")
			assert.NoError(t, unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
		}
		assert.ErrorIs(t, unix.Mkdir(file, 0o700), unix.EEXIST)
		assert.ErrorIs(t, unix.Unlink(n.path(t, dir, "looked for")), unix.ENOENT)
		if n.symlinks && dir != n.dir {
			target := n.path(t, "", "target")
			link := n.path(t, dir, "symbolic link")
			assert.NoError(t, os.Symlink(target, link))
			got, err := os.Readlink(link)
			assert.NoError(t, err)
			assert.Equal(t, target, got)
		}
		attribute, value := nameMarker(t), newMarker(t)
		n.made[attribute], n.made[value] = "name of an attribute", "value of an attribute"
		assert.NoError(t, unix.Setxattr(file, "user."+string(attribute[:]), value.fill(100), 0))
		_, err := unix.Listxattr(file, make([]byte, 1000))
		assert.NoError(t, err)
	}
	assert.NoError(t, filepath.WalkDir(n.dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil {
			_, err = e.Info()
		}
		return err
	}))
}

func (n *naming) markers() (all []marker) {
	for m := range n.made {
		all = append(all, m)
	}
	return all
}

// TestWipeOnDeleteOfNames: of what was removed, renamed or only asked for no name
// is left in the daemon, whatever it had to do with it meanwhile.
func TestWipeOnDeleteOfNames(t *testing.T) {
	needRoot(t)
	for _, words := range []string{
		"encrypt=off",
		"shared,listing=own,encrypt=on",
		"profile=compat,names=all,enforce=warn,name_template={stem}.{random}{ext}",
		"ttl=400ms",
	} {
		t.Run(words, func(t *testing.T) { wipesNames(t, words) })
	}
}

func wipesNames(t *testing.T, words string) {
	m := mountTest(t, options("size=64m", words))
	events, _ := followEvents(t, m, m.by)
	go func() {
		for events.Scan() { // so that refusals are hashed and sent
		}
	}()
	byTTL := strings.Contains(words, "ttl") // a FIFO is in use while the session of its maker lives
	n := &naming{dir: m.dir, made: map[marker]string{}, symlinks: strings.Contains(words, "compat"), fifos: !byTTL}
	require.NoError(t, as(m.owner, func() error {
		n.fill(t)
		return nil
	}))
	require.Greater(t, len(n.made), 60)
	before := scan(t, m.pid, n.markers()...)
	if byTTL {
		assert.Eventually(t, func() bool { return len(m.list(t)) == 0 }, 5*time.Second, 50*time.Millisecond)
	} else {
		require.Greater(t, len(before.copies), 25, "control: names are found while the entries exist")
		require.NotEmpty(t, m.list(t))
		require.NoError(t, as(m.owner, func() error { return removeListed(m.dir) }))
	}
	time.Sleep(50 * time.Millisecond) // for replies on their way
	left := forcedCore(t, m.pid, n.markers()...)
	for found, copies := range left.copies {
		assert.Zero(t, copies, "%s", n.made[found])
	}
	if t.Failed() {
		t.Logf("copies left:\n%s", left)
	}
}

// list runs safetmp ls --json.
func (m *live) list(t testing.TB) []byte {
	t.Helper()
	out, err := boundedOutput(command(m.by, suite.bin, "ls", "--json", m.dir), stopBound)
	require.NoError(t, err, "%s", out)
	return bytes.Trim(out, "[] \n")
}

// removeListed empties a directory.
func removeListed(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if err == nil {
			err = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	return err
}
