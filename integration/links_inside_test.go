//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestLinksInside holds symlinks=inside of profile compat against what it
// promises: a link leads to its own top-level entry or below it, when it is made
// and whenever it is read.
func TestLinksInside(t *testing.T) {
	m := mountTest(t, options("profile=compat"))
	inside(t, m.owner, func(t *testing.T) {
		require.NoError(t, os.MkdirAll(filepath.Join(m.dir, "top/a/b"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(m.dir, "secret"), []byte("secret"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(m.dir, "top/file"), []byte("inside"), 0o600))
		linksMade(t, m.dir)
		linksMoved(t, m.dir)
		linksSwapped(t, m.dir)
	})
}

// linksMade tries targets at symlink(2).
func linksMade(t *testing.T, dir string) {
	for _, try := range []struct{ link, target, want string }{
		{"link", "secret", "EPERM"}, // in the mount root there is no top-level entry to stay in
		{"link", "/etc/passwd", "EPERM"},
		{"link", ".", "EPERM"},
		{"top/link", "file", "ok"},
		{"top/link", "a/b", "ok"},
		{"top/link", ".", "ok"},
		{"top/link", "nowhere", "ok"},
		{"top/link", "./a//b/", "ok"},
		{"top/link", "../secret", "EPERM"},
		{"top/link", "..", "EPERM"},
		{"top/link", "../top/file", "EPERM"},
		{"top/link", "a/../file", "EPERM"},
		{"top/link", "a/b/../../../secret", "EPERM"},
		{"top/link", filepath.Join(dir, "top/file"), "EPERM"},
		{"top/a/link", "../file", "ok"},
		{"top/a/link", "..", "ok"},
		{"top/a/link", "../../secret", "EPERM"},
		{"top/a/link", ".././../secret", "EPERM"},
		{"top/a/b/link", "../../file", "ok"},
		{"top/a/b/link", "../../../secret", "EPERM"},
		{"top/a/link", "", "ENOENT"},
		{"top/a/link", "bad\nname", "EINVAL"},
	} {
		path := filepath.Join(dir, try.link)
		require.Equal(t, try.want, errname(unix.Symlink(try.target, path)), "%s -> %q", try.link, try.target)
		if try.want == "ok" {
			target, err := os.Readlink(path)
			require.NoError(t, err)
			assert.Equal(t, try.target, target)
			require.NoError(t, unix.Unlink(path))
			continue
		}
		assert.Equal(t, "ENOENT", exists(path), "what was refused leaves no trace")
	}
}

// followed reads what a link leads to, by its path.
func followed(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return errname(err)
	}
	return string(data)
}

// linksMoved moves links, and directories above them, to where they would leave.
func linksMoved(t *testing.T, dir string) {
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, unix.Symlink("../file", in("top/a/up")))
	require.NoError(t, unix.Symlink("../../file", in("top/a/b/upper")))
	require.NoError(t, os.WriteFile(in("file"), []byte("of the root"), 0o600))
	assert.Equal(t, "inside", followed(in("top/a/up")))
	assert.Equal(t, "inside", followed(in("top/a/b/upper")))
	moves := []struct{ from, to, link string }{
		{"top/a/up", "top/up", "top/up"},
		{"top/a/up", "up", "up"},
		{"top/a/b", "top/b", "top/b/upper"},
		{"top/a/b", "b", "b/upper"},
		{"top/a", "lone", "lone/up"},
		{"top/a", "lone", "lone/b/upper"},
	}
	for _, move := range moves {
		require.NoError(t, unix.Rename(in(move.from), in(move.to)))
		for range 2 {
			assert.Equal(t, "EACCES", followed(in(move.link)), "%s moved to %s", move.from, move.to)
			_, err := os.Readlink(in(move.link))
			assert.Equal(t, "EACCES", errname(err))
		}
		assert.Equal(t, "ok", exists(in(move.link)), "it can be seen, moved and removed")
		require.NoError(t, unix.Rename(in(move.to), in(move.from)))
		assert.Equal(t, "inside", followed(in("top/a/up")), "and moved back it leads where it did")
		assert.Equal(t, "inside", followed(in("top/a/b/upper")))
	}
}

// linksSwapped tries the other ways to another place: link(2), RENAME_EXCHANGE.
func linksSwapped(t *testing.T, dir string) {
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, unix.Symlink("../file", in("top/a/swap")))
	require.NoError(t, os.WriteFile(in("top/plain"), nil, 0o600))
	assert.Equal(t, "EPERM", errname(unix.Link(in("top/a/swap"), in("top/hard"))), "a link has one name")
	require.NoError(t, unix.Renameat2(unix.AT_FDCWD, in("top/a/swap"), unix.AT_FDCWD, in("top/plain"), unix.RENAME_EXCHANGE))
	assert.Equal(t, "EACCES", followed(in("top/plain")))
	fd := open(t, in("top/plain"), unix.O_PATH|unix.O_NOFOLLOW, 0)
	_, err := unix.Readlinkat(fd, "", make([]byte, 100))
	assert.Equal(t, "EACCES", errname(err), "through a descriptor as well")
	require.NoError(t, unix.Renameat2(unix.AT_FDCWD, in("top/a/swap"), unix.AT_FDCWD, in("top/plain"), unix.RENAME_EXCHANGE))
	assert.Equal(t, "inside", followed(in("top/a/swap")))
}
