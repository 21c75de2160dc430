//go:build linux

package volumes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The plugin as Docker runs it itself, from the folder that `make plugin` makes: deploy/docker-plugin/config.json says with
// which capabilities.
func TestManagedPlugin(t *testing.T) {
	d := suite.docker
	const name = "managed-it"
	d.do(t, "plugin", "create", name, pluginFolder(t))
	t.Cleanup(func() { _, _ = d.try("plugin", "rm", "-f", name) })
	d.do(t, "plugin", "enable", name)
	create := func(volume string, options ...string) (string, error) {
		args := []string{"volume", "create", "--driver", name + ":latest"}
		for _, o := range options {
			args = append(args, "--opt", o)
		}
		return d.try(append(args, volume)...)
	}
	out, err := create("bad", "syze=1m")
	require.Error(t, err)
	assert.Contains(t, out, `option "syze": unknown`)
	out, err = create("managed", "size=8m", "noexec")
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() { d.remove(t, "managed") })
	out = d.run(t, "managed:/v", promises)
	for _, want := range []string{"name=0/1", "mode=600", "symlink=refused", "full=ENOSPC", "kept=secret", "fuse.safetmp rw,nosuid,nodev,noexec,"} {
		assert.Contains(t, out, want)
	}
	assert.Equal(t, "secret", d.run(t, "managed:/v", "cat /v/plain"), "kept between containers")
	out, err = d.try("plugin", "disable", name)
	require.Error(t, err)
	assert.Contains(t, out, "in use")

	// Disabled by force, with a container running, the plugin takes its volumes along. They are overwritten first.
	id := d.background(t, "managed:/v")
	assert.Equal(t, "secret", d.exec(t, id, "cat /v/plain"))
	d.do(t, "plugin", "disable", "-f", name)
	assert.Contains(t, logOf(t, "dockerd", "volume ended volume=managed"), "complete=true")
	out, err = d.try("exec", id, "cat", "/v/plain")
	require.Error(t, err)
	assert.NotContains(t, out, "secret")
	d.do(t, "plugin", "enable", name)
	out, err = d.tryRun("managed:/v", "true")
	require.Error(t, err)
	assert.Contains(t, out, "its files are lost")
	d.do(t, "rm", "-f", id)
	assert.Equal(t, "empty", d.run(t, "managed:/v", "cat /v/plain 2>/dev/null || echo empty"))
	d.do(t, "volume", "rm", "managed")
	d.do(t, "plugin", "disable", name)
	d.do(t, "plugin", "rm", name)
}

// logOf returns the last line of a server's log that has a text.
func logOf(t *testing.T, server, text string) (found string) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(suite.Base, server+".log"))
	require.NoError(t, err)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			found = line
		}
	}
	require.NotEmpty(t, found, fmt.Sprintf("%s says nothing of %q", server, text))
	return found
}
