//go:build linux

package integration

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

// safetmpRun runs script by `safetmp run` as uid, in a folder of its own that
// no mount covers, and returns what it printed and its status.
func safetmpRun(t testing.TB, uid int, script string, flags ...string) (string, int) {
	t.Helper()
	needSafetmp(t)
	args := append(append([]string{"run", "--size=64m"}, flags...), "--", "sh", "-c", script)
	cmd := command(uid, suite.bin, args...)
	cmd.Env = daemonEnv(nil)
	cmd.Dir = "/"
	out, err := boundedOutput(cmd, time.Minute)
	return string(out), hosttest.ExitStatus(err)
}

// runUsers are those who run commands: an ordinary user, and root.
func runUsers() []int {
	if os.Getuid() == root {
		return []int{victim, root}
	}
	return []int{os.Getuid()}
}

// TestRunStatus: what the command says is what one gets, signals as a shell
// tells them.
func TestRunStatus(t *testing.T) {
	for _, uid := range runUsers() {
		for script, want := range map[string]int{
			"exit 0": 0, "exit 7": 7, "kill -KILL $$": 137, "kill -TERM $$": 143, "exec /nonexistent/program": 127,
		} {
			out, got := safetmpRun(t, uid, script)
			assert.Equal(t, want, got, "uid %d, %s: %s", uid, script, out)
		}
	}
	_, missing := runCommand(t, "/nonexistent/program")
	assert.Equal(t, 127, missing)
	_, notExecutable := runCommand(t, "/etc/passwd")
	assert.Equal(t, 126, notExecutable)
}

// runCommand runs one program without arguments as an ordinary user.
func runCommand(t testing.TB, program string) (string, int) {
	t.Helper()
	needSafetmp(t)
	cmd := command(user(), suite.bin, "run", "--size=16m", "--", program)
	cmd.Env = daemonEnv(nil)
	cmd.Dir = "/"
	out, err := boundedOutput(cmd, time.Minute)
	return string(out), hosttest.ExitStatus(err)
}

// TestRunCovers: TMPDIR, /tmp and /var/tmp are the private filesystem, empty at
// the start and gone at the end; what the host has there is not seen.
func TestRunCovers(t *testing.T) {
	for _, uid := range runUsers() {
		t.Run(fmt.Sprint("as ", uid), func(t *testing.T) {
			trace := fmt.Sprint("safetmp-it-trace-", uid)
			script := `set -e
				test "$TMPDIR" = "$TMP" && test "$TMP" = "$TEMP"
				test -z "$(ls -A /tmp)" && test -z "$(ls -A /var/tmp)"
				echo x >"$TMPDIR/` + trace + `"; echo y >"/tmp/` + trace + `.2"; echo z >"/var/tmp/` + trace + `.3"
				mktemp >/dev/null
				stat -f -c %T /tmp /var/tmp "$TMPDIR"; id -u`
			out, code := safetmpRun(t, uid, script)
			require.Zero(t, code, out)
			words := strings.Fields(out)
			assert.Equal(t, fmt.Sprint(uid), words[len(words)-1], "the identity is kept")
			for _, kind := range words[:len(words)-1] {
				assert.Equal(t, "fuseblk", kind, "what stat(1) calls FUSE")
			}
			for _, dir := range []string{"/tmp", "/var/tmp"} {
				left, err := filepath.Glob(filepath.Join(dir, trace+"*"))
				require.NoError(t, err)
				assert.Empty(t, left)
			}
		})
	}
}

// TestRunKillsStragglers: what the command leaves running dies with it.
func TestRunKillsStragglers(t *testing.T) {
	for _, uid := range runUsers() {
		marker := fmt.Sprint("4242", uid)
		out, code := safetmpRun(t, uid, "setsid sleep "+marker+" & nohup sleep "+marker+" >/dev/null 2>&1 & sleep 0.1; exit 3")
		assert.Equal(t, 3, code, out)
		for _, pid := range hosttest.Processes() {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			assert.NotContains(t, string(line), "sleep\x00"+marker)
		}
	}
}

// TestRunFrontKilled: kill -9 of the front process ends the command, too.
func TestRunFrontKilled(t *testing.T) {
	needSafetmp(t)
	cmd := command(user(), suite.bin, "run", "--size=16m", "--", "sh", "-c", "echo ready; sleep 414141")
	cmd.Env = daemonEnv(nil)
	cmd.Dir = "/"
	p := startedPartner(t, cmd)
	require.NoError(t, unix.Kill(p.cmd.Process.Pid, unix.SIGKILL))
	assert.Eventually(t, func() bool {
		for _, pid := range hosttest.Processes() {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.Contains(string(line), "414141") && pid != p.cmd.Process.Pid {
				return false
			}
		}
		return true
	}, stopBound, 5*time.Millisecond, "the command and its daemon end")
}

// TestRunPolicy: the same rules as on a mount hold in what run makes.
func TestRunPolicy(t *testing.T) {
	out, code := safetmpRun(t, user(), `cd "$TMPDIR"
		umask 0; echo secret >plain; stat -c %a plain
		ln -s x link 2>/dev/null; echo link $?
		ls | grep -c plain
		mkdir d; echo in >d/inner; ls d`)
	require.Zero(t, code, out)
	assert.Equal(t, []string{"600", "link", "1", "0", "inner"}, strings.Fields(out))
}

// TestRunProgram lets a compiler work inside, as the README shows.
func TestRunProgram(t *testing.T) {
	needProgram(t, "gcc")
	out, code := safetmpRun(t, user(), `set -e; cd "$TMPDIR"; mkdir b; cd b
		printf '#include <stdio.h>\nint main(void){puts("compiled");return 0;}' >main.c
		gcc -o main main.c; ./main`)
	assert.Zero(t, code, out)
	assert.Contains(t, out, "compiled")
}

// TestRunNested: a command of run may use run, also where the home directory,
// and with it the folder of control sockets, is covered.
func TestRunNested(t *testing.T) {
	needSafetmp(t)
	outside, err := os.MkdirTemp("/dev/shm", basePrefix)
	require.NoError(t, err)
	defer func() { assert.NoError(t, os.RemoveAll(outside)) }()
	require.NoError(t, os.Chown(outside, user(), user()))
	for name, home := range map[string]string{"home outside": outside, "home below tmp": filepath.Join(suite.Base, "log")} {
		t.Run(name, func(t *testing.T) { runNested(t, home) })
	}
}

func runNested(t *testing.T, home string) {
	// The binary lies below /tmp, which run covers: hand it in by descriptor.
	binary, err := os.Open(suite.bin)
	require.NoError(t, err)
	defer binary.Close()
	cmd := command(user(), suite.bin, "run", "--size=16m", "--", "sh", "-c",
		`echo outer >"$TMPDIR/f"; /proc/self/fd/3 run --size=8m -- sh -c 'ls -A "$TMPDIR" | wc -l; exit 5'; echo $?; cat "$TMPDIR/f"`)
	cmd.Env = append(daemonEnv(nil), "HOME="+home)
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{binary}
	out, err := boundedOutput(cmd, time.Minute)
	require.NoError(t, err, "%s", out)
	assert.Equal(t, []string{"0", "5", "outer"}, strings.Fields(string(out)))
}

// TestRunReport: asked for, one line tells what was overwritten.
func TestRunReport(t *testing.T) {
	out, code := safetmpRun(t, user(), `head -c 3000000 /dev/zero >"$TMPDIR/f"`, "--report")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "overwritten")
	assert.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 1, out)
}
