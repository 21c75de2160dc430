//go:build linux

package volumes

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// podmanConfig is a configuration with some more of it. runc: crun refuses a machine with both cgroup hierarchies. The
// limits: a container may not have more than this process.
func podmanConfig(more string) string {
	return `[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
` + more + `[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
`
}

// podmanCommand is podman with its folders below dir, except for the one whose path it wants to have 50 bytes at most: the
// folder of the run may lie deep. That one has dir's name, and is made for a user.
func podmanCommand(t *testing.T, dir string, uid int) []string {
	t.Helper()
	run := filepath.Join(shortFolder(), filepath.Base(dir))
	require.NoError(t, os.MkdirAll(run, 0o711))
	require.NoError(t, os.Chown(run, uid, uid))
	return []string{"podman", "--root", dir + "/root", "--runroot", run, "--tmpdir", dir + "/tmp", "--storage-driver", "vfs"}
}

// shortFolder is a folder of this run with a short path, which goes with the run.
func shortFolder() string { return fmt.Sprintf("/run/safetmp-it-%d", os.Getpid()) }

// newPodman makes a podman of its own folders that knows the plugin by its configuration.
func newPodman(t *testing.T) *engine {
	t.Helper()
	dir := filepath.Join(suite.Base, "podman")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	config := filepath.Join(dir, "containers.conf")
	plugins := fmt.Sprintf("[engine.volume_plugins]\n%s = %q\n", suite.driver, suite.plugin.socket)
	require.NoError(t, os.WriteFile(config, []byte(podmanConfig(plugins)), 0o600))
	p := &engine{command: podmanCommand(t, dir, 0), env: []string{"CONTAINERS_CONF=" + config}, image: "localhost/busybox-it"}
	if _, err := p.try("image", "exists", p.image); err != nil {
		require.NoError(t, p.importImage(filepath.Join(suite.Base, "image"), p.image))
	}
	t.Cleanup(func() { _, _ = p.try("rm", "-fa", "-t", "0") })
	return p
}

func TestPodmanPromises(t *testing.T) {
	p := newPodman(t)
	p.create(t, "pod-promises", "size=8m", "noexec")
	out := p.run(t, "pod-promises:/v:nocopy", promises)
	for _, want := range []string{
		"name=0/1", "again=secret", "mode=600", "symlink=refused", "full=ENOSPC", "size=7", "kept=secret",
		// Podman binds without noexec; the files have no x bit all the same.
		"exec=/bin/sh: ./prog: Permission denied", "fuse.safetmp rw,nosuid,nodev,",
	} {
		assert.Contains(t, out, want)
	}
	out, err := p.tryRun("pod-promises:/v:nocopy", `cat /v/plain`, "--user", "1000:1000")
	require.Error(t, err)
	assert.Contains(t, out, "No such file")
	out, err = p.try("volume", "create", "--driver", suite.driver, "--opt", "syze=1m", "bad")
	require.Error(t, err)
	assert.Contains(t, out, `option "syze": unknown`)
}

// A container in a user namespace: its root is another user than the host's.
func TestPodmanUserNamespace(t *testing.T) {
	p := newPodman(t)
	p.create(t, "pod-userns", "size=4m")
	flags := []string{"--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"}
	out := p.run(t, "pod-userns:/v:nocopy", "cd /v && echo in > f && cat f && stat -c %u:%a f", flags...)
	assert.Equal(t, "in\n0:600", out)
	out, err := p.tryRun("pod-userns:/v:nocopy", "cat /v/f")
	require.Error(t, err)
	assert.Contains(t, out, "No such file", "root of the host is another user, and has no such name")
	out = p.run(t, "pod-userns:/v:nocopy", "cat /v/f", flags...)
	assert.Equal(t, "in", out)
}

func TestPodmanPluginIsKilled(t *testing.T) {
	p := newPodman(t)
	p.create(t, "pod-orphan", "size=4m")
	id := p.background(t, "pod-orphan:/v:nocopy")
	p.exec(t, id, "echo kept > /v/f")
	restartPlugin(t, unix.SIGKILL)
	assert.Equal(t, "kept", p.exec(t, id, "cat /v/f"))
	assert.Contains(t, p.do(t, "volume", "ls", "-q"), "pod-orphan")
	p.do(t, "rm", "-f", "-t", "0", id)
	p.do(t, "volume", "rm", "pod-orphan")
}
