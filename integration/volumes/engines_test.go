//go:build linux

package volumes

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// plugin is safetmp-volume docker.
type plugin struct {
	*process
	socket string
}

// startPlugin starts the plugin and returns once it answers.
func startPlugin(env ...string) (*plugin, error) {
	socket := filepath.Join("/run/docker/plugins", suite.driver+".sock")
	server, err := startProcess("plugin", env, suite.bin, "docker", "--socket", socket,
		"--state", filepath.Join(suite.Base, "state"), "--cgroup", suite.group, "--default-size", "16m")
	if err != nil {
		return nil, err
	}
	p := &plugin{server, socket}
	return p, server.await("plugin", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// restartPlugin ends the plugin by a signal and starts another.
func restartPlugin(t *testing.T, signal unix.Signal, env ...string) {
	t.Helper()
	suite.plugin.stop(signal)
	var err error
	suite.plugin, err = startPlugin(env...)
	require.NoError(t, err)
}

// engine is an engine and the command that talks to it.
type engine struct {
	server  *process // nil: it needs none
	name    string   // of the server's files
	flags   []string // of the server
	command []string
	env     []string
	image   string
}

// startDocker starts dockerd, with containers that outlive it, and makes the image.
func startDocker() (*engine, error) {
	socket := "unix://" + filepath.Join(suite.Base, "docker.sock")
	docker, err := exec.LookPath("/usr/bin/docker")
	if err != nil {
		docker = "docker"
	}
	d := &engine{command: []string{docker, "--host", socket}, image: "busybox-it", name: "docker", flags: []string{"--live-restore"}}
	if err := d.start(); err != nil {
		return d, err
	}
	return d, d.importImage(filepath.Join(suite.Base, "image"), d.image)
}

// start starts the daemon of Docker and returns once it answers.
func (e *engine) start() error {
	dir := filepath.Join(suite.Base, e.name)
	server, err := startProcess(e.name+"d", nil, append([]string{"dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none",
		"--storage-driver=vfs", "--data-root", dir + "/data", "--exec-root", dir + "/exec", "--pidfile", dir + ".pid",
		"--host", e.command[2], "--exec-opt", "native.cgroupdriver=cgroupfs"}, e.flags...)...)
	if err != nil {
		return err
	}
	e.server = server
	return server.await("dockerd", func() bool { _, err := e.try("version"); return err == nil })
}

// importImage makes an image of a folder.
func (e *engine) importImage(root, name string, flags ...string) error {
	tar := exec.Command("tar", "-C", root, "-c", ".")
	archive, err := tar.Output()
	if err != nil {
		return err
	}
	args := append(append(append([]string{}, e.command[1:]...), "import"), flags...)
	args = append(args, "-", name)
	load := exec.Command(e.command[0], args...)
	load.Env = append(os.Environ(), e.env...)
	load.Stdin = bytes.NewReader(archive)
	if report, err := load.CombinedOutput(); err != nil {
		return fmt.Errorf("import: %w\n%s", err, report)
	}
	return nil
}

// stop ends the engine's daemon. Killed, it takes its containerd along and leaves both pid files behind; on a machine
// whose first process waits for nobody the pids would seem alive.
func (e *engine) stop(signal unix.Signal) {
	if e.server == nil {
		return
	}
	e.server.stop(signal)
	if signal == unix.SIGKILL {
		_ = os.Remove(filepath.Join(suite.Base, e.name+".pid"))
		_ = os.Remove(filepath.Join(suite.Base, e.name, "exec/containerd/containerd.pid"))
	}
}

// try runs the command of the engine.
func (e *engine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.command[0], append(append([]string{}, e.command[1:]...), args...)...)
	cmd.Env = append(os.Environ(), e.env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// do is try for what must work.
func (e *engine) do(t testing.TB, args ...string) string {
	t.Helper()
	out, err := e.try(args...)
	require.NoError(t, err, "%s: %s", strings.Join(args, " "), out)
	return out
}

// run runs a script in a container of its own.
func (e *engine) run(t testing.TB, volume, script string, flags ...string) string {
	t.Helper()
	out, err := e.tryRun(volume, script, flags...)
	require.NoError(t, err, "%s", out)
	return out
}

func (e *engine) tryRun(volume, script string, flags ...string) (string, error) {
	args := append([]string{"run", "--rm", "--network", "none", "-v", volume}, flags...)
	return e.try(append(args, e.image, "/bin/sh", "-c", script)...)
}

// background starts a container that waits, and removes it with the test.
func (e *engine) background(t *testing.T, volume string, flags ...string) (id string) {
	t.Helper()
	args := append([]string{"run", "-d", "--network", "none", "-v", volume}, flags...)
	id = e.do(t, append(args, e.image, "/bin/sleep", "600")...)
	t.Cleanup(func() { _, _ = e.try("rm", "-f", id) })
	return id
}

// exec runs a script in a container that waits.
func (e *engine) exec(t *testing.T, id, script string) string {
	t.Helper()
	return e.do(t, "exec", id, "/bin/sh", "-c", script)
}

// create creates a volume and removes it with the test.
func (e *engine) create(t testing.TB, name string, options ...string) {
	t.Helper()
	args := []string{"volume", "create", "--driver", suite.driver}
	for _, o := range options {
		args = append(args, "--opt", o)
	}
	e.do(t, append(args, name)...)
	t.Cleanup(func() { e.remove(t, name) })
}

// remove removes a volume that may be gone.
func (e *engine) remove(t testing.TB, name string) {
	t.Helper()
	out, err := e.try("volume", "rm", name)
	if err != nil {
		assert.Contains(t, strings.ToLower(out), "no such volume")
	}
}

// daemonOf returns the process of a volume.
func daemonOf(t testing.TB, name string) int {
	t.Helper()
	want := filepath.Join(suite.Base, "state/mounts", name)
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range all {
		text, _ := os.ReadFile(file)
		if args := strings.Split(string(text), "\x00"); len(args) > 2 && args[1] == "daemon" && args[2] == want {
			var pid int
			_, err := fmt.Sscanf(file, "/proc/%d/", &pid)
			require.NoError(t, err)
			return pid
		}
	}
	require.Fail(t, "no daemon", "volume %s", name)
	return 0
}
