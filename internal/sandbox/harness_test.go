package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

const (
	// testEnd bounds everything that a test waits for.
	testEnd = 20 * time.Second
	// pollPause is how often a condition is looked at.
	pollPause = 5 * time.Millisecond
	// mark is the variable by which the processes of one test are found.
	mark = "SAFETMP_SANDBOX_TEST"
)

// ordinary is the uid and gid that tests drop to.
const ordinary = 1000

// identity is who runs the front.
type identity struct {
	name string
	uid  int
}

// asEach runs a test as an ordinary user and, if the tests run as root, as root.
func asEach(t *testing.T, test func(t *testing.T, id identity)) {
	t.Helper()
	for _, id := range identities() {
		t.Run(id.name, func(t *testing.T) { test(t, id) })
	}
}

func identities() []identity {
	if os.Geteuid() != 0 {
		return []identity{{"user", os.Geteuid()}}
	}
	return []identity{{"user", ordinary}, {"root", 0}}
}

// asUser is the identity of the tests that need one only.
func asUser() identity { return identities()[0] }

// box is one run of the front, and what it left.
type box struct {
	t      *testing.T
	id     identity
	mark   string
	folder string // stands for the folder of control sockets
	dir    string // the test's own, not below a cover
	call   frontCall
	env    []string
	cwd    string
	files  []*os.File // from descriptor 3 up
	cmd    *exec.Cmd

	mu     sync.Mutex
	stdout bytes.Buffer // guarded by mu
	stderr bytes.Buffer // guarded by mu
}

// newBox prepares a run. Its folder lies in /dev/shm, which nothing covers and every uid may enter.
func newBox(t *testing.T, id identity) *box {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sandbox-test-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	b := &box{t: t, id: id, mark: rand.Text(), dir: filepath.Join(dir, "work"), folder: filepath.Join(dir, "run"), cwd: "/"}
	for _, d := range []string{b.dir, b.folder} {
		require.NoError(t, os.Mkdir(d, 0o700))
		require.NoError(t, os.Chown(d, id.uid, id.uid))
	}
	b.call.Stages = []string{filepath.Join(b.folder, "mnt")}
	b.call.Hidden = []string{b.folder}
	return b
}

// front returns the command that runs args in the sandbox, in a process group of its own.
func (b *box) front(args ...string) *exec.Cmd {
	b.t.Helper()
	call, err := json.Marshal(b.call)
	require.NoError(b.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*testEnd)
	b.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = append([]string{"sandbox-test", "test-front", string(call), "--"}, args...)
	cmd.Env = append(append(os.Environ(), mark+"="+b.mark), b.env...)
	cmd.Dir = b.cwd
	cmd.ExtraFiles = b.files
	cmd.Stdout, cmd.Stderr = locked{b, &b.stdout}, locked{b, &b.stderr}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: hosttest.Credential(b.id.uid)}
	b.cmd = cmd
	return cmd
}

// run runs args to their end and checks that nothing is left.
func (b *box) run(args ...string) (status int) {
	b.t.Helper()
	before := hostMounts(b.t)
	b.front(args...)
	err := b.cmd.Run()
	b.nothingLeft(before)
	return b.status(err)
}

// start starts args and returns a pipe to their standard input.
func (b *box) start(args ...string) io.WriteCloser {
	b.t.Helper()
	b.front(args...)
	in, err := b.cmd.StdinPipe()
	require.NoError(b.t, err)
	require.NoError(b.t, b.cmd.Start())
	b.t.Cleanup(func() {
		_ = in.Close()
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	})
	return in
}

// wait waits for the front and checks that nothing is left.
func (b *box) wait() (status int) {
	b.t.Helper()
	err := b.cmd.Wait()
	b.nothingLeft(hostMounts(b.t))
	return b.status(err)
}

func (b *box) status(err error) int {
	b.t.Helper()
	if err != nil {
		require.IsType(b.t, &exec.ExitError{}, err, "stderr: %s", b.errors())
	}
	return b.cmd.ProcessState.ExitCode()
}

// locked lets a test read output while the process writes.
type locked struct {
	b *box
	w *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	return l.w.Write(p)
}

func (b *box) output() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stdout.String()
}

func (b *box) errors() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stderr.String()
}

// await waits for a text on standard output.
func (b *box) await(text string) {
	b.t.Helper()
	eventually(b.t, func() bool { return strings.Contains(b.output(), text) },
		func() string { return "no " + text + " in: " + b.output() + b.errors() })
}

// eventually polls a condition.
func eventually(t *testing.T, ok func() bool, otherwise func() string) {
	t.Helper()
	for end := time.Now().Add(testEnd); !ok(); time.Sleep(pollPause) {
		if time.Now().After(end) {
			require.Fail(t, "timed out", otherwise())
		}
	}
}

// nothingLeft checks that no process of the run lives on, and that the host's mounts are as they were.
func (b *box) nothingLeft(before string) {
	b.t.Helper()
	eventually(b.t, func() bool { return len(b.processes()) == 0 },
		func() string { return "left: " + strings.Join(b.processes(), "; ") })
	assert.Equal(b.t, before, hostMounts(b.t))
}

// processes lists the command lines of the processes of this run. Those that are not dumpable show their environment
// to root only.
func (b *box) processes() []string {
	var out []string
	for _, pid := range hosttest.Processes() {
		env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
		if err != nil || !bytes.Contains(env, []byte(mark+"="+b.mark)) {
			continue
		}
		out = append(out, fmt.Sprint(pid, " ", hosttest.Args(pid)))
	}
	return out
}

// hostMounts lists the mounts of this namespace, apart from those of tests that run beside these.
func hostMounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	var out []string
	for line := range strings.Lines(string(text)) {
		if at := strings.Fields(line)[4]; !strings.HasPrefix(at, os.TempDir()+"/") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// child waits until a process has a child whose command line holds a word. Others come and go: os.StartProcess finds
// out about pidfds by means of one.
func child(t *testing.T, pid int, word string) int {
	t.Helper()
	found := 0
	eventually(t, func() bool {
		for _, p := range hosttest.Children(pid) {
			if slices.Contains(hosttest.Args(p), word) {
				found = p
			}
		}
		return found != 0
	}, func() string { return fmt.Sprintf("%d (%s) has no child %s", pid, hosttest.State(pid), word) })
	return found
}

// family is the processes of a running box.
type family struct{ front, daemon, init, command int }

// family waits until all four exist and the command is what it is to be.
func (b *box) family() family {
	b.t.Helper()
	f := family{front: b.cmd.Process.Pid}
	f.daemon = child(b.t, f.front, "test-daemon")
	f.init = child(b.t, f.daemon, "test-init")
	eventually(b.t, func() bool {
		// Init adopts what the command leaves: the command is its first child.
		found := hosttest.Children(f.init)
		if len(found) == 0 {
			return false
		}
		f.command = slices.Min(found)
		args := hosttest.Args(f.command)
		return len(args) > 0 && !slices.Contains(args, "test-init")
	}, func() string { return "no command" })
	return f
}

// settle waits until init has let go of its standard input, the last thing it does before it follows the command. A
// signal to the job that comes earlier may be handed on although the command has had it.
func (b *box) settle() {
	b.t.Helper()
	settle(b.t, b.family().init)
}

func settle(t *testing.T, init int) {
	t.Helper()
	eventually(t, func() bool {
		to, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(init), "fd", "0"))
		return to == os.DevNull || os.IsPermission(err)
	}, func() string { return "init has not settled" })
}

// helper copies the test binary to where the sandbox does not cover it and returns its path.
func (b *box) helper() string {
	b.t.Helper()
	path := filepath.Join(b.dir, "helper")
	in, err := os.Open(self)
	require.NoError(b.t, err)
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	require.NoError(b.t, err)
	_, err = io.Copy(out, in)
	require.NoError(b.t, err)
	require.NoError(b.t, out.Close())
	return path
}

func awaitState(t *testing.T, pid int, want string) {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(want, hosttest.State(pid)) },
		func() string { return fmt.Sprintf("%d is %s, not %s", pid, hosttest.State(pid), want) })
}

func kill(t *testing.T, pid int, s unix.Signal) {
	t.Helper()
	require.NoError(t, unix.Kill(pid, s))
}
