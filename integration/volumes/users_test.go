//go:build linux

package volumes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// dropScript is an entrypoint: it runs as root, prepares a directory, gives it to the application and becomes it, in each of
// the ways that images use.
const dropScript = `
umask 022; mkdir /v/data && echo seed > /v/data/seed && chown -R app:app /v/data || echo failed
cd /v/data
su app -c 'cat seed && echo one > one'
/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'cat one && echo two > two && ls'
stat -c %u:%a two; cat two`

const dropped = "seed\none\none\nseed\ntwo\n1000:600\ntwo"

func TestDockerEntrypointDropsPrivileges(t *testing.T) {
	d := suite.docker
	d.create(t, "drop", "size=4m")
	assert.Equal(t, dropped, d.run(t, "drop:/v", dropScript))
	out := d.run(t, "drop:/v", `cd /v && echo a > a && cat a && mkdir d && echo b > d/b && cat d/b data/two`, "--user", "1000")
	assert.Equal(t, "a\nb\ntwo", out)
}

// Docker gives the root of a new volume the owner and the mode of the image's directory there, unless it is told nocopy.
func TestDockerCopiesTheImagesDirectory(t *testing.T) {
	d := suite.docker
	d.create(t, "tmp", "size=4m")
	assert.Equal(t, "mine\n1733:0", d.run(t, "tmp:/tmp", `echo mine > /tmp/f; cat /tmp/f; stat -c %a:%u /tmp`, "--user", "1000"))
	d.create(t, "apps", "size=4m")
	assert.Equal(t, "mine\n711:1000", d.run(t, "apps:/srv/app", `echo mine > f; cat f; stat -c %a:%u .`, "--user", "1000", "-w", "/srv/app"))
	d.create(t, "apps-not", "size=4m")
	assert.Equal(t, "1733:0", d.run(t, "apps-not:/srv/app:nocopy", `stat -c %a:%u /srv/app`))
}

// A volume of one user, and root.
func TestDockerVolumeOfOneUser(t *testing.T) {
	d := suite.docker
	d.create(t, "one", "size=4m", "uid=1000", "gid=1000", "share_with_root")
	assert.Equal(t, "root\n700:1000", d.run(t, "one:/v:nocopy", `echo root > /v/r; cat /v/r; stat -c %a:%u /v`))
	assert.Equal(t, "app\nno", d.run(t, "one:/v:nocopy", `echo app > /v/a; cat /v/a; cat /v/r 2>/dev/null || echo no`, "--user", "1000"))
	out := d.run(t, "one:/v:nocopy", `cat /v/a 2>&1; touch /v/x 2>&1; ls /v 2>&1; true`, "--user", "1001")
	assert.Equal(t, 3, strings.Count(out, "Permission denied"), out)
}

// remapped is a second dockerd, whose containers are in user namespaces.
func remapped(t *testing.T) *engine {
	t.Helper()
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		ownRange(t, file)
	}
	socket := "unix://" + filepath.Join(suite.Base, "remap.sock")
	e := &engine{command: []string{suite.docker.command[0], "--host", socket}, image: suite.docker.image, name: "remap", flags: []string{"--userns-remap=65534:65534"}}
	require.NoError(t, e.start())
	t.Cleanup(func() { e.stop(unix.SIGTERM) })
	require.NoError(t, e.importImage(filepath.Join(suite.Base, "image"), e.image))
	return e
}

// ownRange gives nobody 65536 ids of its own until the test ends.
func ownRange(t *testing.T, file string) {
	t.Helper()
	before, err := os.ReadFile(file)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "%snobody:200000:65536\n", before), 0o644))
	t.Cleanup(func() { assert.NoError(t, os.WriteFile(file, before, 0o644)) })
}

func TestDockerUsersRemapped(t *testing.T) {
	d := remapped(t)
	d.create(t, "remapped", "size=4m")
	assert.Equal(t, dropped, d.run(t, "remapped:/v", dropScript), "its root gives to its users")
	d.run(t, "remapped:/v", "echo root > /v/f")
	out := d.run(t, "remapped:/v", `cat /v/data/two; cat /v/f 2>/dev/null; echo app > /v/f; cat /v/f; ln -s a /v/l 2>&1`+"; true", "--user", "1000")
	assert.Contains(t, out, "two\napp\n")
	assert.Contains(t, out, "not permitted")
	out = d.run(t, "remapped:/v", `cat /v/f 2>&1; true`, "--userns", "host")
	assert.Contains(t, out, "No such file", "the machine's root is another user")
}

// A rootless engine binds a mount of its user's own.
func TestRootlessPodman(t *testing.T) {
	dir := filepath.Join(suite.Base, "rootless")
	require.NoError(t, os.MkdirAll(dir, 0o711))
	// The engine's own mount namespace is made once and gets what is mounted later only from shared mounts.
	require.NoError(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	require.NoError(t, unix.Mount("", dir, "", unix.MS_SHARED, ""))
	for _, name := range []string{"home", "run", "tmp"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.Chown(filepath.Join(dir, name), 65534, 65534))
	}
	config := filepath.Join(dir, "containers.conf")
	require.NoError(t, os.WriteFile(config, []byte(podmanConfig("")), 0o644))
	as := []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "HOME=" + dir + "/home", "XDG_RUNTIME_DIR=" + dir + "/run"}
	p := &engine{command: append(as, podmanCommand(t, dir+"/home", 65534)...), env: []string{"CONTAINERS_CONF=" + config}, image: "localhost/busybox-it"}
	// Without ranges of its own this user has one id in its containers, and unpacks files of no other.
	image := filepath.Join(dir, "image")
	require.NoError(t, os.MkdirAll(filepath.Join(image, "bin"), 0o755))
	require.NoError(t, os.CopyFS(filepath.Join(image, "bin"), os.DirFS(filepath.Join(suite.Base, "image/bin"))))
	require.NoError(t, p.importImage(image, p.image))
	t.Cleanup(func() { _, _ = p.try("system", "migrate") })

	safetmp := filepath.Join(suite.Base, "safetmp")
	report, err := exec.Command("go", "build", "-o", safetmp, "../../cmd/safetmp").CombinedOutput()
	require.NoError(t, err, "%s", report)
	own := func(args ...string) {
		t.Helper()
		args = append(append(append([]string{}, as...), safetmp), args...)
		report, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", report)
	}
	own("mount", "--size", "4m", dir+"/tmp")
	t.Cleanup(func() { own("umount", "--force", dir+"/tmp") })
	out := p.run(t, dir+"/tmp:/v", `echo in > /v/f; cat /v/f; ls /v | grep -c f$; stat -c %u:%a /v/f; grep -c "/v fuse.safetmp" /proc/mounts; ln -s a /v/l 2>&1`+"; true")
	assert.Contains(t, out, "in\n0\n0:600\n1\n")
	assert.Contains(t, out, "not permitted")
	assert.Equal(t, "in", p.run(t, dir+"/tmp:/v", "cat /v/f"))
}
