package suites

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// stopBound is for a daemon to check itself, wipe and exit.
const stopBound = 60 * time.Second

// live is a mounted safetmp whose daemon is a child of ours.
type live struct {
	dir    string
	log    string
	minor  int // of the device, names the connection
	cmd    *exec.Cmd
	ask    io.WriteCloser
	out    io.Closer // what answer reads
	answer *bufio.Reader
	exited chan struct{} // closed once the daemon was waited for
	err    error         // its exit, valid once exited is closed
}

var mountCount atomic.Int64

// newMountpoint makes an empty directory for a mount.
func newMountpoint(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(suite.Base, fmt.Sprint("m", mountCount.Add(1)))
	require.NoError(t, os.Mkdir(dir, 0o755))
	return dir
}

// mountTmpfs mounts the oracle for the rest of the test, with the flags that
// safetmp always has.
func mountTmpfs(t testing.TB, words string) string {
	t.Helper()
	needRoot(t)
	dir := newMountpoint(t)
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_RELATIME, words))
	t.Cleanup(func() {
		assert.NoError(t, unmount(dir))
		assert.NoError(t, os.Remove(dir))
	})
	return dir
}

// withDefaults makes an option list of words, behind the options for every mount
// of the suite, such as "transport=uring", that the environment holds.
func withDefaults(words []string) string {
	return strings.Join(append([]string{os.Getenv("SAFETMP_TEST_OPTIONS")}, words...), ",")
}

// mountChecked mounts through a server in a copy of this test binary, which is
// the daemon's own assembly plus a self-check that can be asked for, and that
// is made at the end in any case. The mount is aborted after bound.
func mountChecked(t testing.TB, bound time.Duration, words ...string) *live {
	t.Helper()
	needRoot(t)
	dir := newMountpoint(t)
	return start(t, bound, dir, helperCommand("serve", dir, withDefaults(words)))
}

// start runs the daemon and waits until it answers.
func start(t testing.TB, bound time.Duration, dir string, cmd *exec.Cmd) *live {
	t.Helper()
	m := &live{dir: dir, log: dir + ".log", cmd: cmd, exited: make(chan struct{})}
	log, err := os.Create(m.log)
	require.NoError(t, err)
	defer log.Close()
	cmd.Stderr = log
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "HOME="+suite.Base, "GOTRACEBACK=all", suite.RaceEnv())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m.ask, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	m.out, m.answer = out, bufio.NewReader(out)
	require.NoError(t, cmd.Start())
	go func() {
		state, err := cmd.Process.Wait()
		if err == nil && !state.Success() {
			err = fmt.Errorf("%s", state)
		}
		m.err = err
		close(m.exited)
	}()
	timer := time.AfterFunc(bound, func() {
		t.Errorf("bound of %v passed: aborting the mount", bound)
		m.abort()
	})
	t.Cleanup(func() {
		timer.Stop()
		m.close(t)
	})
	m.waitReady(t)
	return m
}

// waitReady waits until the mount answers.
func (m *live) waitReady(t testing.TB) {
	t.Helper()
	m.minor = m.served().Await(t)
	owner := root
	if strings.Contains(strings.Join(m.cmd.Args, ","), fmt.Sprint("uid=", alice)) {
		owner = alice
	}
	require.NoError(t, act(owner, func() error { _, err := os.ReadDir(m.dir); return err }))
}

// info is the mount's line in mountinfo, nil while it is not mounted.
func (m *live) info() *mountinfo.Info { return hosttest.MountAt(m.dir) }

// served is the mount as every suite knows it.
func (m *live) served() hosttest.Served {
	return hosttest.Served{Dir: m.dir, PID: m.cmd.Process.Pid, Exited: m.exited, Log: m.log}
}

// check asks a server of mountChecked to hold everything against itself.
// Nobody may use the mount meanwhile.
func (m *live) check(t testing.TB) {
	t.Helper()
	_, err := fmt.Fprintln(m.ask, "check")
	require.NoError(t, err)
	line, err := m.answer.ReadString('\n')
	require.NoError(t, err, "%s", m.logTail())
	require.Equal(t, "consistent", strings.TrimSpace(line))
}

// abort frees everything that hangs on the mount, and ends the daemon.
func (m *live) abort() { m.served().Abort(m.minor) }

// logTail is the end of what the daemon printed.
func (m *live) logTail() string { return m.served().LogTail() }

// close ends the mount, whatever state it is in, and checks what stays.
func (m *live) close(t testing.TB) {
	t.Helper()
	if m.info() != nil {
		assert.NoError(t, unmount(m.dir))
	}
	select {
	case <-m.exited:
	case <-time.After(stopBound):
		t.Errorf("the daemon is still there after %v; mounted for: %v", stopBound, hosttest.MountedFor(m.dir))
		m.abort()
		<-m.exited
	}
	_, _ = m.ask.Close(), m.out.Close()
	assert.NoError(t, m.err, "exit of the daemon")
	assert.Nil(t, m.info(), "still mounted")
	assert.NoError(t, os.Remove(m.dir), "the mountpoint is an empty folder again")
	assert.Empty(t, suite.RaceReports(), "data race in a daemon")
	if t.Failed() {
		t.Logf("log of the daemon:\n%s", m.logTail())
	}
}

// unmount retries for a moment: processes that were killed are still closing
// their files.
func unmount(dir string) (err error) {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = unix.Unmount(dir, 0); err != unix.EBUSY {
			return err
		}
	}
	return err
}
