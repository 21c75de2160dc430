//go:build linux

package volumes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// The promises, as a container sees them. Each line of the script says what happened.
const promises = `
cd /v
say() { echo "$1=$2"; }
umask 0; echo secret > plain
say name "$(ls | grep -c plain)/$(ls | wc -l)"
say again "$(cat plain)"
chmod 4777 plain; say mode "$(stat -c %a plain)"
ln -s plain link 2>&1 | grep -q "not permitted" && say symlink refused
mknod null c 1 3 2>&1 | grep -q "not permitted" && say device refused
printf '#!/bin/sh\necho ran\n' > prog; chmod 700 prog; say exec "$(./prog 2>&1)"
dd if=/dev/zero of=big bs=64k count=2000 2>&1 | grep -q "No space left" && say full ENOSPC
say size "$(($(stat -c %s big) / 1048576))"
say kept "$(cat plain)"
rm big
grep " /v " /proc/mounts | cut -d' ' -f3,4
`

func TestDockerPromises(t *testing.T) {
	d := suite.docker
	d.create(t, "promises", "size=8m", "noexec")
	out := d.run(t, "promises:/v", promises)
	for _, want := range []string{
		"name=0/1", "again=secret", "mode=600", "symlink=refused", "device=refused", "full=ENOSPC", "size=7", "kept=secret",
		"exec=/bin/sh: ./prog: Permission denied", "fuse.safetmp rw,nosuid,nodev,noexec,",
	} {
		assert.Contains(t, out, want)
	}
	// Another user of the container has a view of its own.
	out = d.run(t, "promises:/v", `cat /v/plain 2>&1; ls /v 2>&1; echo mine > /v/plain 2>&1; cat /v/plain 2>&1`, "--user", "1000:1000")
	assert.Contains(t, out, "can't open '/v/plain': No such file or directory")
	assert.Contains(t, out, "can't open '/v': Permission denied")
	assert.NotContains(t, out, "secret")
	out = d.run(t, "promises:/v", "cat /v/plain")
	assert.Equal(t, "secret", out)
}

func TestDockerRefusesBadOptions(t *testing.T) {
	for option, says := range map[string]string{
		"size=abc":           `option size: "abc" is not a size`,
		"syze=1m":            `option "syze": unknown (accepted: size, nr_inodes, `,
		"policy=/etc/shadow": "option policy: refused",
		"profile=loose":      "option profile: ",
	} {
		out, err := suite.docker.try("volume", "create", "--driver", suite.driver, "--opt", option, "bad")
		require.Error(t, err)
		assert.Contains(t, out, says)
		assert.NotContains(t, out, "\n", "one line")
	}
	assert.NotContains(t, suite.docker.do(t, "volume", "ls", "-q"), "bad")
}

func TestDockerVolumeIsSharedAndKept(t *testing.T) {
	d := suite.docker
	d.create(t, "shared", "size=4m", "mode=1777")
	one := d.background(t, "shared:/v")
	two := d.background(t, "shared:/v")
	d.exec(t, one, "echo hello > /v/f")
	assert.Equal(t, "hello", d.exec(t, two, "cat /v/f"))
	out, err := d.try("volume", "rm", "shared")
	require.Error(t, err)
	assert.Contains(t, out, "in use")
	d.do(t, "rm", "-f", one, two)
	assert.Equal(t, "hello", d.run(t, "shared:/v", "cat /v/f"), "the volume outlives its containers")
	inspected := d.do(t, "volume", "inspect", "shared")
	for _, want := range []string{`"condition": "serving"`, `"users": 0`, `"Scope": "local"`, "of 4194304 bytes"} {
		assert.Contains(t, inspected, want)
	}
	d.remove(t, "shared")
	d.create(t, "shared", "size=4m")
	_, err = d.tryRun("shared:/v", "cat /v/f")
	assert.Error(t, err, "a volume of the same name is another volume")
}

func TestDockerRestarts(t *testing.T) {
	d := suite.docker
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			name := "engine-" + strings.ToLower(unix.SignalName(signal))
			d.create(t, name, "size=4m")
			id := d.background(t, name+":/v")
			d.exec(t, id, "echo kept > /v/f")
			d.stop(signal)
			require.NoError(t, d.start())
			assert.Equal(t, "kept", d.exec(t, id, "cat /v/f"), "the container went on")
			assert.Equal(t, "kept", d.run(t, name+":/v", "cat /v/f"))
			d.do(t, "rm", "-f", id)
			d.do(t, "volume", "rm", name)
		})
	}
}

func TestDockerPluginIsKilled(t *testing.T) {
	d := suite.docker
	d.create(t, "orphan", "size=4m")
	id := d.background(t, "orphan:/v")
	d.exec(t, id, "echo kept > /v/f")
	pid := daemonOf(t, "orphan")
	suite.plugin.stop(unix.SIGKILL)
	assert.Equal(t, "kept", d.exec(t, id, "cat /v/f; echo more > /v/g"), "without the plugin")
	restartPlugin(t, unix.SIGKILL)
	assert.Equal(t, pid, daemonOf(t, "orphan"), "the volume was not touched")
	assert.Contains(t, d.do(t, "volume", "inspect", "orphan"), `"users": 1`)
	assert.Equal(t, "more", d.run(t, "orphan:/v", "cat /v/g"))
	d.do(t, "rm", "-f", id)
	d.do(t, "volume", "rm", "orphan")
}

func TestDockerVolumeDaemonIsKilled(t *testing.T) {
	d := suite.docker
	d.create(t, "victim", "size=4m")
	d.create(t, "bystander", "size=4m")
	victim, bystander := d.background(t, "victim:/v"), d.background(t, "bystander:/v")
	d.exec(t, victim, "echo lost > /v/f")
	d.exec(t, bystander, "echo kept > /v/f")
	require.NoError(t, unix.Kill(daemonOf(t, "victim"), unix.SIGKILL))
	out, err := d.try("exec", victim, "cat", "/v/f")
	require.Error(t, err)
	assert.NotContains(t, out, "lost")
	assert.Equal(t, "kept", d.exec(t, bystander, "cat /v/f"))
	out, err = d.tryRun("victim:/v", "true")
	require.Error(t, err)
	assert.Contains(t, out, "its files are lost")
	d.do(t, "rm", "-f", victim)
	assert.Equal(t, "ok", d.run(t, "victim:/v", "cat /v/f 2>/dev/null || echo ok"), "with nobody left it begins anew")
	d.do(t, "volume", "rm", "victim")
}

func TestFiftyVolumes(t *testing.T) {
	d := suite.docker
	const volumes = 50
	args := []string{"run", "--rm", "--network", "none"}
	var names []string
	for i := range volumes {
		name := fmt.Sprintf("many-%d", i)
		names = append(names, name)
		args = append(args, "-v", name+":/v"+fmt.Sprint(i))
	}
	args = append(args, "--volume-driver", suite.driver, d.image, "/bin/sh", "-c",
		`for i in $(seq 0 49); do echo $i > /v$i/f; done; for i in $(seq 0 49); do cat /v$i/f; done | wc -l; grep -c fuse.safetmp /proc/mounts`)
	t.Cleanup(func() { _, _ = d.try(append([]string{"volume", "rm"}, names...)...) })
	assert.Equal(t, "50\n50", d.do(t, args...))
	own, all := 0, 0
	for _, name := range names {
		pid := daemonOf(t, name)
		own += hosttest.StatusKiB(t, pid, "RssAnon")
		all += hosttest.StatusKiB(t, pid, "VmRSS")
	}
	t.Logf("a volume's daemon: %d KiB of its own, %d KiB resident with the pages of the program that all share", own/volumes, all/volumes)
	assert.Less(t, own/volumes, ownMost)
	d.do(t, append([]string{"volume", "rm"}, names...)...)
	assert.Empty(t, hosttest.MountsBelow(filepath.Join(suite.Base, "state")))
}

// ownMost is what the daemon of a volume that holds next to nothing may take for itself, in KiB.
const ownMost = 12 << 10

// What is made and removed again and again leaves nothing.
func TestDockerLeavesNothing(t *testing.T) {
	d := suite.docker
	rounds := 3
	if os.Getenv("SOAK") != "" {
		rounds = 200
	}
	round := func() {
		d.do(t, "volume", "create", "--driver", suite.driver, "--opt", "size=4m", "round")
		assert.Equal(t, "x", d.run(t, "round:/v", "echo x > /v/f; cat /v/f"))
		d.do(t, "volume", "rm", "round")
	}
	round()
	before := footprint(t)
	began := time.Now()
	for range rounds {
		round()
	}
	t.Logf("%d rounds of create, run, rm: %v each", rounds, time.Since(began)/time.Duration(rounds))
	assert.Eventually(t, func() bool { return footprint(t) == before }, 10*time.Second, 50*time.Millisecond,
		"before: %s, after: %s", before, footprint(t))
}

// footprint counts what the plugin and its volumes hold.
func footprint(t *testing.T) string {
	t.Helper()
	count := func(pattern string) int {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		return len(found)
	}
	files := count(fmt.Sprintf("/proc/%d/fd/*", suite.plugin.cmd.Process.Pid))
	return fmt.Sprintf("mounts %d, records %d, folders %d, groups %d, sockets %d, descriptors within %d",
		len(hosttest.MountsBelow(filepath.Join(suite.Base, "state"))), count(suite.Base+"/state/volumes/*"), count(suite.Base+"/state/mounts/*"),
		count("/sys/fs/cgroup/memory"+suite.group+"/vol-*")+count("/sys/fs/cgroup"+suite.group+"/vol-*"), count("/run/safetmp/*.sock"), (files+15)/16*16)
}
