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

// TestContainerUsers does what the start script of many containers does on the
// shared directory for temporary files: root prepares a directory and files in
// it, gives them to the user of the application, and goes on using them.
func TestContainerUsers(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("shared"))
	data := filepath.Join(m.dir, "data")
	inside(t, root, func(t *testing.T) {
		require.NoError(t, os.Mkdir(data, 0o755))
		require.NoError(t, os.WriteFile(data+"/config", []byte("config"), 0o644))
		require.NoError(t, os.WriteFile(m.dir+"/pid", nil, 0o600))
	})
	inside(t, victim, func(t *testing.T) {
		assert.Equal(t, "ENOENT", exists(data), "not before it is given")
	})
	inside(t, root, func(t *testing.T) {
		for _, path := range []string{data, data + "/config", m.dir + "/pid"} {
			require.NoError(t, unix.Chown(path, victim, victim))
		}
		assert.Equal(t, "ok", exists(data), "root goes on finding it")
	})
	inside(t, victim, func(t *testing.T) {
		read, err := os.ReadFile(data + "/config")
		require.NoError(t, err)
		assert.Equal(t, "config", string(read))
		require.NoError(t, os.WriteFile(data+"/state", []byte("state"), 0o600))
		require.NoError(t, os.WriteFile(m.dir+"/pid", []byte("7"), 0o600))
		assert.Equal(t, "0700", perms(t, data))
		require.NoError(t, unix.Unlink(m.dir+"/pid"))
	})
	inside(t, other, func(t *testing.T) {
		assert.Equal(t, "ENOENT", exists(data))
		require.NoError(t, os.Mkdir(data, 0o700), "the name is free for everybody else")
	})
	inside(t, root, func(t *testing.T) {
		read, err := os.ReadFile(data + "/state")
		require.NoError(t, err)
		assert.Equal(t, "state", string(read))
		assert.Equal(t, "ENOENT", exists(m.dir+"/pid"), "removed by its owner")
	})
}
