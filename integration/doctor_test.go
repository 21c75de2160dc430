//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// doctorReport is what these tests read of `safetmp doctor --json`.
type doctorReport struct {
	Verdict    string
	Mount, Run bool
	Checks     []struct{ Name, Verdict, Found, Means, Fix string }
}

// doctor runs the command and returns both streams and the status.
func doctor(cmd *exec.Cmd) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = daemonEnv(nil)
	err := cmd.Run()
	return out.String(), errs.String(), hosttest.ExitStatus(err)
}

// doctorJSON is doctor with its report.
func doctorJSON(t *testing.T, cmd *exec.Cmd) (doctorReport, int) {
	t.Helper()
	out, errs, status := doctor(cmd)
	assert.Empty(t, errs)
	var r doctorReport
	require.NoError(t, json.Unmarshal([]byte(out), &r), out)
	return r, status
}

// What the other tests do works, and the doctor says so.
func TestDoctor(t *testing.T) {
	needSafetmp(t)
	for _, uid := range []int{user(), root} {
		if uid == root {
			needRoot(t)
		}
		t.Run(fmt.Sprint("as ", uid), func(t *testing.T) {
			r, status := doctorJSON(t, command(uid, suite.bin, "doctor", "--json"))
			assert.True(t, r.Mount && r.Run)
			weaker := r.Verdict == "warn"
			assert.Equal(t, weaker, status == 1, "status %d with verdict %s", status, r.Verdict)
			assert.Equal(t, !weaker, status == 0)

			out, errs, again := doctor(command(uid, suite.bin, "doctor", "-v"))
			assert.Empty(t, errs)
			assert.Equal(t, status, again)
			for _, c := range r.Checks {
				assert.Contains(t, out, c.Name)
				assert.Contains(t, out, c.Means)
			}
		})
	}
}

// Where there is no /dev/fuse nothing can work, and the exit code says so.
func TestDoctorWithoutDevice(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	needProgram(t, "unshare")
	script := `mount -t tmpfs none /dev && exec "$0" doctor "$@"`
	r, status := doctorJSON(t, command(root, "unshare", "-m", "sh", "-c", script, suite.bin, "--json"))
	assert.Equal(t, 22, status)
	assert.False(t, r.Mount || r.Run)
	assert.Equal(t, "fail", r.Verdict)
	require.NotEmpty(t, r.Checks)
	assert.Contains(t, r.Checks[0].Fix, "modprobe fuse")
	out, _, status := doctor(command(root, "unshare", "-m", "sh", "-c", script, suite.bin))
	assert.Equal(t, 22, status)
	assert.Contains(t, out, "safetmp run does not work, safetmp mount does not work")
}

// A machine that hides /proc/PID of others, as containers do, is weaker for
// run, and works.
func TestDoctorWithMaskedProc(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	needProgram(t, "unshare")
	needProgram(t, "setpriv")
	// A mask over a part of /proc forbids a fresh one to whoever owns no more
	// than a user namespace (mount_namespaces(7)).
	script := `mount -t tmpfs none /proc/sys/fs && exec setpriv --reuid 1000 --regid 1000 --clear-groups "$0" doctor --json`
	r, status := doctorJSON(t, command(root, "unshare", "-m", "sh", "-c", script, suite.bin))
	assert.Equal(t, 1, status)
	assert.True(t, r.Mount && r.Run)
	assert.Equal(t, "warn", r.Verdict)
}

func TestDoctorUsage(t *testing.T) {
	needSafetmp(t)
	for _, args := range [][]string{{"doctor", "--nope"}, {"doctor", "word"}} {
		out, errs, status := doctor(command(user(), suite.bin, args...))
		assert.Equal(t, 2, status)
		assert.Empty(t, out)
		assert.Contains(t, errs, "safetmp: ")
	}
	_, errs, status := doctor(command(user(), suite.bin, "doctor-trial"))
	assert.Equal(t, 1, status, "the helper alone does nothing")
	assert.Contains(t, errs, "pid namespace")
}
