package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStatus(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		status int
		errors string
	}{
		{"success", []string{"true"}, 0, ""},
		{"failure", []string{"sh", "-c", "exit 3"}, 3, ""},
		{"highest", []string{"sh", "-c", "exit 255"}, 255, ""},
		{"SIGTERM", []string{"sh", "-c", "kill -TERM $$"}, 143, ""},
		{"SIGKILL", []string{"sh", "-c", "kill -KILL $$"}, 137, ""},
		{"SIGINT of its own", []string{"sh", "-c", "kill -INT $$"}, 130, ""},
		{"SIGSEGV", []string{"sh", "-c", "ulimit -c 0; kill -SEGV $$"}, 139, ""},
		{"not found", []string{"no-such-command"}, 127, "error: no-such-command: command not found"},
		{"path not found", []string{"/no/such/command"}, 127, "error: /no/such/command: command not found"},
		{"directory", []string{"/etc"}, 126, "error: /etc: is a directory"},
		{"not executable", []string{"/etc/passwd"}, 126, "error: /etc/passwd: permission denied"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			asEach(t, func(t *testing.T, id identity) {
				b := newBox(t, id)
				assert.Equal(t, tc.status, b.run(tc.args...), b.errors())
				assert.Contains(t, b.errors(), tc.errors)
				assert.Equal(t, tc.status < 126 || tc.status > 127, strings.Contains(b.errors(), "report: the stub has wiped"))
			})
		})
	}
}

func TestScripts(t *testing.T) {
	tests := []struct {
		name, text string
		status     int
		output     string
	}{
		{"with interpreter", "#!/bin/sh\necho \"$1\"\nexit 4\n", 4, "word\n"},
		{"without one runs in sh", "echo \"$1\"\nexit 5\n", 5, "word\n"},
		{"with a missing one", "#!/no/such/interpreter\n", 127, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			b := newBox(t, asUser())
			script := filepath.Join(b.dir, "script")
			require.NoError(t, os.WriteFile(script, []byte(tc.text), 0o755))
			require.NoError(t, os.Chmod(script, 0o755))
			require.NoError(t, os.Chmod(b.dir, 0o755))
			assert.Equal(t, tc.status, b.run(script, "word"), b.errors())
			assert.Equal(t, tc.output, b.output())
		})
	}
}

func TestPlacesAndVariables(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		b.env = []string{"TMPDIR=/elsewhere", "TMP=/elsewhere", "FOO=bar\xff baz"}
		status := b.run("sh", "-c", `
			echo "$TMPDIR $TMP $TEMP"
			printf '%s\n' "$FOO" "$1"
			echo inside > /tmp/`+b.mark+` && cat /var/tmp/`+b.mark+`
			pwd`, "sh", "arg\xfe")
		require.Zero(t, status, b.errors())
		assert.Equal(t, "/tmp /tmp /tmp\nbar\xff baz\narg\xfe\ninside\n/\n", b.output())
		assert.NoFileExists(t, "/tmp/"+b.mark)
		assert.NoFileExists(t, "/var/tmp/"+b.mark)
	})
}

// TestMountedOnTheCoversAlone: where D mounted, nothing is left.
func TestMountedOnTheCoversAlone(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		require.Zero(t, b.run("sh", "-c", `awk '/ - tmpfs stub / { print $5 }' /proc/self/mountinfo`), b.errors())
		assert.Equal(t, "/tmp\n/var/tmp\n", b.output())
	})
}

func TestOtherCovers(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		b.call.Wish.Covers = []string{b.dir}
		require.NoError(t, os.WriteFile(filepath.Join(b.dir, "hostfile"), nil, 0o644))
		status := b.run("sh", "-c", `echo "$TMPDIR"; ls -A "$TMPDIR"; ls -d /tmp/. /var/tmp/.; test -w /mnt && echo >/mnt/x; true`)
		require.Zero(t, status, b.errors())
		assert.Equal(t, b.dir+"\n/tmp/.\n/var/tmp/.\n", b.output())
	})
}

// TestNothingCovered: the working directory lies below both covers' place, so TMPDIR is a place of our own.
func TestNothingCovered(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		b.call.Wish.Covers = []string{b.dir}
		b.cwd = b.dir
		status := b.run("sh", "-c", `echo "$TMPDIR"; echo x > "$TMPDIR/x" && cat "$TMPDIR/x"; stat -f -c %T "$TMPDIR"; pwd`)
		require.Zero(t, status, b.errors())
		assert.Equal(t, b.folder+"/tmp\nx\ntmpfs\n"+b.dir+"\n", b.output(), b.errors())
		assert.Contains(t, b.errors(), "warning: left uncovered: "+b.dir+" (the working directory is in it)\n")
	})
}

// TestWithoutAFolder: no folder of ours can be made, so D mounts somewhere else in its namespace; the command finds
// that place as it was.
func TestWithoutAFolder(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		b.call.Stages, b.call.Hidden = []string{"/proc/nowhere"}, nil
		status := b.run("sh", "-c", `echo "$TMPDIR"; grep -c ' /mnt \| /media \| /srv ' /proc/self/mountinfo`)
		assert.Equal(t, 1, status, "grep found a mount") // grep's status for no match
		assert.Equal(t, "/tmp\n0\n", b.output(), b.errors())
	})
}

func TestHostUntouchedMeanwhile(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		before := hostMounts(t)
		in := b.start("sh", "-c", "echo ready; cat")
		b.await("ready")
		assert.Equal(t, before, hostMounts(t))
		require.NoError(t, in.Close())
		assert.Zero(t, b.wait())
	})
}

func TestStandardStreams(t *testing.T) {
	b := newBox(t, asUser())
	in := b.start("sh", "-c", "cat; echo err >&2")
	_, err := in.Write([]byte("through\n"))
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.Zero(t, b.wait())
	assert.Equal(t, "through\n", b.output())
	assert.Contains(t, b.errors(), "err\n")
}

func TestNested(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		helper := b.helper()
		require.NoError(t, os.Chmod(b.dir, 0o755))
		inner := `{"Stages":["` + b.folder + `/mnt"],"Hidden":["` + b.folder + `"]}`
		status := b.run("sh", "-c", `echo outer > /tmp/f; "$0" test-front "$1" -- sh -c 'ls -A /tmp; echo inner > /tmp/g; exit 7'; echo $?; ls -A /tmp`,
			helper, inner)
		require.Zero(t, status, b.errors())
		assert.Equal(t, "7\nf\n", b.output(), b.errors())
	})
}

func TestServerFailures(t *testing.T) {
	t.Run("start", func(t *testing.T) {
		b := newBox(t, asUser())
		b.call.Stub.FailStart = true
		assert.Equal(t, 125, b.run("echo", "never"))
		assert.Equal(t, "error: mounting: the stub fails as asked\nhint: a hint\n", b.errors())
		assert.Empty(t, b.output())
	})
	t.Run("serve", func(t *testing.T) {
		b := newBox(t, asUser())
		b.call.Stub.FailServe = true
		assert.Equal(t, 125, b.run("echo", "never"))
		assert.Equal(t, "report: the stub has wiped\nerror: mounting: the stub does not serve, as asked\nhint: a hint\n", b.errors(),
			"what was mounted is wiped all the same")
		assert.Empty(t, b.output())
	})
	t.Run("shutdown", func(t *testing.T) {
		b := newBox(t, asUser())
		b.call.Stub.FailShutdown = true
		assert.Equal(t, 125, b.run("true"))
		assert.Equal(t, "error: wiping: the stub did not wipe, as asked\n", b.errors())
	})
	t.Run("unmounted meanwhile", func(t *testing.T) {
		b := newBox(t, asUser())
		b.call.Stub.EndFile = "end"
		assert.Equal(t, 125, b.run("sh", "-c", "touch /tmp/end; exec sleep 1000"))
		assert.Contains(t, b.errors(), "error: run: the filesystem was unmounted under the command\n")
	})
}
