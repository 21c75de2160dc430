//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// TestAttackShareWithRoot: three uids and one private mount. Root enters, as a
// container engine does, and hands the owner's files on; another uid gets no further
// than to what stat(2) tells of the directory, whatever the kernel has cached, and
// whatever the owner does to the modes.
func TestAttackShareWithRoot(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("share_with_root", "listing=own"))
	require.Equal(t, victim, m.owner)
	dir := m.dir + "/dir"
	require.NoError(t, as(victim, func() error {
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
		_ = os.Chmod(m.dir, 0o777) // whatever becomes of it
		_ = os.Chmod(dir, 0o777)
		return os.WriteFile(dir+"/secret", []byte("secret"), 0o666)
	}))
	warm := func(uid int) { // the names and attributes in the kernel's caches
		_ = as(uid, func() error { _, err := os.Stat(dir + "/secret"); return err })
	}
	warm(victim)
	attempts := map[string]func() error{
		"list":   func() error { _, err := os.ReadDir(m.dir); return err },
		"open":   func() error { _, err := os.ReadFile(dir + "/secret"); return err },
		"stat":   func() error { _, err := os.Stat(dir); return err },
		"create": func() error { return os.WriteFile(m.dir+"/mine", nil, 0o600) },
		"remove": func() error { return os.RemoveAll(dir) },
		"enter":  func() error { return unix.Chdir(m.dir) },
		"statfs": func() error { var s unix.Statfs_t; return unix.Statfs(m.dir, &s) },
		"chmod":  func() error { return os.Chmod(m.dir, 0o777) },
		"xattr":  func() error { _, err := unix.Listxattr(m.dir, nil); return err },
	}
	for name, attempt := range attempts {
		got := errname(as(other, attempt))
		assert.Contains(t, []string{"EACCES", "EPERM"}, got, "%s by another uid", name)
	}
	for _, name := range []string{"list", "statfs", "create", "xattr"} {
		assert.Equal(t, "ok", errname(as(root, attempts[name])), "%s by root", name)
	}
	warm(root)
	assert.Equal(t, "EACCES", errname(as(other, attempts["stat"])), "after root has been there")

	// What an engine does: bind the directory elsewhere, and run the owner's program.
	elsewhere := filepath.Join(suite.Base, "m", filepath.Base(m.dir)+".bound")
	require.NoError(t, os.Mkdir(elsewhere, 0o755))
	require.NoError(t, unix.Mount(m.dir, elsewhere, "", unix.MS_BIND, ""))
	defer func() {
		assert.NoError(t, unix.Unmount(elsewhere, 0))
		assert.NoError(t, os.Remove(elsewhere))
	}()
	require.NoError(t, as(victim, func() error {
		data, err := os.ReadFile(elsewhere + "/dir/secret")
		assert.Equal(t, "secret", string(data))
		return err
	}))
	assert.Equal(t, "EACCES", errname(as(other, func() error { _, err := os.Stat(elsewhere + "/dir"); return err })))
	assert.True(t, m.status(t).ShareRoot)
}

// TestShareWithRootIsNotWidened: where modes alone keep others out, they must hold.
func TestShareWithRootIsNotWidened(t *testing.T) {
	needRoot(t)
	m := &live{by: root, dir: filepath.Join(suite.Base, "m")}
	for _, words := range []string{"profile=posix", "enforce=warn", "rule=modes=keep", "mode=0711"} {
		out, err := m.tool("mount", "-o", "share_with_root,uid=1000,gid=1000,"+words, m.dir)
		assert.Equal(t, 2, hosttest.ExitStatus(err), "%s: %s", words, out)
	}
	out, err := m.tool("mount", "--share-with-root", m.dir)
	assert.Equal(t, 2, hosttest.ExitStatus(err), out)
	assert.Contains(t, out, "root is the owner")

	// Without the option, and with private beside it, root is refused.
	for _, words := range []string{"private", "private,share_with_root"} {
		refused := mountTest(t, options(words))
		_, err := os.ReadDir(refused.dir)
		assert.ErrorIs(t, err, unix.EACCES)
	}
}
