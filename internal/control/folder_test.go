package control

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// environment returns a getenv.
func environment(pairs map[string]string) func(string) string {
	return func(key string) string { return pairs[key] }
}

// owned makes a directory of a uid.
func owned(t *testing.T, uid int, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, mode))
	require.NoError(t, os.Chown(dir, uid, uid))
	return dir
}

func TestFolderOfUser(t *testing.T) {
	hosttest.NeedRoot(t, "to take other uids")
	old := unix.Umask(0)
	defer unix.Umask(old)
	mine, foreign, open := owned(t, nobody, 0o700), owned(t, nobody-1, 0o700), owned(t, nobody, 0o777)
	home := owned(t, nobody, 0o755)
	// Root makes the folders here, so they are root's unless the kernel is asked as the user; the checks are what counts.
	_, err := folderFor(nobody, environment(map[string]string{"XDG_RUNTIME_DIR": foreign}))
	assert.ErrorIs(t, err, unix.EPERM, "a runtime folder of somebody else, as after su(1)")
	_, err = folderFor(nobody, environment(map[string]string{"XDG_RUNTIME_DIR": open}))
	assert.ErrorIs(t, err, unix.EPERM, "a runtime folder that others can write")

	got, err := folderFor(nobody, environment(map[string]string{"XDG_RUNTIME_DIR": mine, "HOME": home}))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(mine, "safetmp"), got)
	info, err := os.Stat(got)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "whatever the umask")

	_, err = folderFor(nobody, environment(map[string]string{"XDG_RUNTIME_DIR": mine}))
	assert.ErrorIs(t, err, unix.EPERM, "the folder is there and belongs to root")
	require.NoError(t, os.Chown(got, nobody, nobody))
	again, err := folderFor(nobody, environment(map[string]string{"XDG_RUNTIME_DIR": mine}))
	require.NoError(t, err)
	assert.Equal(t, got, again)
	require.NoError(t, os.Remove(got))
	require.NoError(t, os.Symlink(home, got))
	_, err = folderFor(nobody, environment(map[string]string{"XDG_RUNTIME_DIR": mine}))
	assert.ErrorIs(t, err, unix.ENOTDIR, "a link in the folder's place")
}

func TestFolderBelowHome(t *testing.T) {
	home := t.TempDir()
	uid := os.Geteuid()
	parents := userParents(uid, environment(map[string]string{"XDG_RUNTIME_DIR": "relative", "HOME": home}))
	require.Equal(t, filepath.Join(home, ".local", "state"), parents[len(parents)-1])
	require.NoError(t, checkParent(parents[len(parents)-1], uid))
	info, err := os.Stat(parents[len(parents)-1])
	require.NoError(t, err)
	assert.True(t, info.IsDir())
}

func TestFolders(t *testing.T) {
	got := foldersFor(1000, environment(map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000", "HOME": "/home/a"}))
	assert.Equal(t, []string{"/run/safetmp", "/run/user/1000/safetmp", "/home/a/.local/state/safetmp"}, got)
	assert.Equal(t, "/run/safetmp", foldersFor(0, environment(nil))[0])
}

func TestFolderOfRoot(t *testing.T) {
	hosttest.NeedRoot(t, "to take other uids")
	got, err := Folder()
	require.NoError(t, err)
	assert.Equal(t, "/run/safetmp", got)
	info, err := os.Stat(got)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode().Perm())
}
