//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

const (
	stopBound = 20 * time.Second // for a daemon to wipe and exit
	testBound = 90 * time.Second // for everything in between, by default
)

// optionsEnv names the variable with options for every mount of the suite, such
// as "transport=uring"; what a test asks for counts more.
const optionsEnv = "SAFETMP_TEST_OPTIONS"

// passthroughByDefault says that every mount of the suite is to be io=passthrough.
func passthroughByDefault() bool { return strings.Contains(os.Getenv(optionsEnv), "io=passthrough") }

// uncachedByDefault says that no mount of the suite is to have contents in the page cache.
func uncachedByDefault() bool {
	return passthroughByDefault() || strings.Contains(os.Getenv(optionsEnv), "encrypt=on")
}

// mountConfig is what a test asks of mountTest.
type mountConfig struct {
	words []string // words of one -o list
	flags []string // further arguments
	env   []string // added to the environment of the daemon
	by    int      // the user who runs safetmp mount
	owner int      // the user who may enter
	bound time.Duration
}

type mountOption func(*mountConfig)

// options adds words to the -o list.
func options(words ...string) mountOption {
	return func(c *mountConfig) { c.words = append(c.words, words...) }
}

// environ adds to the environment of the daemon.
func environ(vars ...string) mountOption {
	return func(c *mountConfig) { c.env = append(c.env, vars...) }
}

// mountedBy lets uid mount, through fusermount3 unless uid is root.
func mountedBy(uid int) mountOption {
	return func(c *mountConfig) { c.by, c.owner = uid, uid }
}

// bound replaces the time after which the mount is aborted.
func bound(d time.Duration) mountOption {
	return func(c *mountConfig) { c.bound = d }
}

// live is a mounted safetmp whose daemon runs in the foreground under us.
type live struct {
	dir    string
	owner  int // uid that may enter
	by     int // uid that the daemon was started by
	minor  int // of the device, names the connection
	pid    int // of the daemon
	log    string
	exited chan struct{} // closed once the daemon was waited for
	err    error         // its exit, valid once exited is closed

	expectExit   bool // the test ends the daemon in a way of its own; read by close
	expectStatus int  // exit status expected then
}

var mountCount atomic.Int64

// mountTest mounts safetmp for the rest of the test. It is private to user()
// and mounted as root where the tests run as root, unless options say else.
// The cleanup unmounts it and fails the test on anything that stays behind.
func mountTest(t testing.TB, opts ...mountOption) *live {
	t.Helper()
	needSafetmp(t)
	config := mountConfig{by: os.Getuid(), owner: user(), bound: testBound}
	for _, opt := range opts {
		opt(&config)
	}
	if config.by != root && passthroughByDefault() {
		t.Skip("passthrough takes root")
	}
	m := start(t, config)
	timer := time.AfterFunc(config.bound, func() {
		t.Errorf("bound of %v passed: aborting the mount", config.bound)
		m.abort()
	})
	t.Cleanup(func() {
		timer.Stop()
		m.close(t)
	})
	m.waitReady(t)
	return m
}

// start runs the daemon; it does not wait for it.
func start(t testing.TB, config mountConfig) *live {
	t.Helper()
	number := mountCount.Add(1)
	m := &live{
		dir:    filepath.Join(suite.Base, "m", fmt.Sprint(number)),
		log:    filepath.Join(suite.Base, "log", fmt.Sprint(number)),
		owner:  config.owner,
		by:     config.by,
		exited: make(chan struct{}),
	}
	require.NoError(t, os.Mkdir(m.dir, 0o700))
	require.NoError(t, os.Chown(m.dir, config.by, config.by))
	log, err := os.Create(m.log)
	require.NoError(t, err)
	defer log.Close()

	cmd := command(config.by, suite.bin, config.args(m.dir)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = daemonEnv(config.env)
	require.NoError(t, cmd.Start())
	m.pid = cmd.Process.Pid
	go func() {
		m.err = cmd.Wait()
		close(m.exited)
	}()
	return m
}

// args is the command line of the daemon.
func (c mountConfig) args(dir string) []string {
	words := c.words
	if c.by == root && c.owner != root {
		words = append([]string{fmt.Sprintf("uid=%d,gid=%d", c.owner, c.owner)}, words...)
	}
	if passthroughByDefault() && slices.Contains(words, "shared") {
		words = append([]string{"user_size=100%"}, words...) // contents are not counted by user
	}
	args := append([]string{"mount", "-f", dir}, c.flags...)
	if len(words) > 0 {
		args = append(args, "-o", strings.Join(words, ","))
	}
	return args
}

// daemonEnv is the environment of every safetmp process: nothing of the
// tester's own, and race reports go to files that close looks for.
func daemonEnv(extra []string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(suite.Base, "log"),
		"GOTRACEBACK=all",
		suite.RaceEnv(),
		optionsEnv + "=" + os.Getenv(optionsEnv),
	}
	return append(env, extra...)
}

// waitReady waits until the owner gets an answer from the mount.
func (m *live) waitReady(t testing.TB) {
	t.Helper()
	m.minor = m.served().Await(t)
	require.NoError(t, as(m.owner, func() error {
		_, err := os.Lstat(m.dir)
		return err
	}), "owner's first stat\n%s", m.logTail())
}

// info is the mount's line in mountinfo, nil while it is not mounted.
func (m *live) info() *mountinfo.Info { return hosttest.MountAt(m.dir) }

// served is the mount as every suite knows it.
func (m *live) served() hosttest.Served {
	return hosttest.Served{Dir: m.dir, PID: m.pid, Exited: m.exited, Log: m.log}
}

// umount runs safetmp umount as the user who mounted.
func (m *live) umount(args ...string) (string, error) {
	return m.tool("umount", append(args, m.dir)...)
}

// tool runs a subcommand of safetmp as the user who mounted and returns what
// it printed.
func (m *live) tool(name string, args ...string) (string, error) {
	cmd := command(m.by, suite.bin, append([]string{name}, args...)...)
	cmd.Env = daemonEnv(nil)
	out, err := boundedOutput(cmd, stopBound)
	return string(out), err
}

// abort frees everything that hangs on the mount, and ends the daemon.
func (m *live) abort() { m.served().Abort(m.minor) }

// logTail is the end of what the daemon printed.
func (m *live) logTail() string { return m.served().LogTail() }

// close ends the mount, whatever state it is in, and checks what stays.
func (m *live) close(t testing.TB) {
	t.Helper()
	assert.Empty(t, hosttest.FilesBelow(m.dir), "descriptors of the test into the mount")
	if m.info() != nil && !m.expectExit {
		out, err := m.umount()
		assert.NoError(t, err, "safetmp umount: %s%s", out, holders(m.dir))
	}
	m.waitExit(t)
	assert.Nil(t, m.info(), "still mounted")
	if m.info() != nil {
		m.abort()
	}
	assert.NoError(t, os.Remove(m.dir), "the mountpoint is an empty folder again")
	assert.Empty(t, suite.RaceReports(), "data race in a daemon")
	if t.Failed() {
		t.Logf("log of the daemon:\n%s", m.logTail())
	}
}

// waitExit waits until the daemon has exited and checks its status.
func (m *live) waitExit(t testing.TB) {
	t.Helper()
	select {
	case <-m.exited:
	case <-time.After(stopBound):
		t.Errorf("the daemon is still there after %v; mounted for: %v", stopBound, hosttest.MountedFor(m.dir))
		m.abort()
		<-m.exited
	}
	assert.Equal(t, m.expectStatus, hosttest.ExitStatus(m.err), "exit status of the daemon (%v)", m.err)
}

// holders names the processes that keep dir busy, for the message of a
// failure.
func holders(dir string) string {
	var found []string
	for _, pid := range hosttest.Processes() {
		for _, link := range []string{"cwd", "root", "exe"} {
			target, _ := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, link))
			if target == dir || strings.HasPrefix(target, dir+"/") {
				found = append(found, fmt.Sprintf("%d %s", pid, link))
			}
		}
	}
	return strings.Join(found, ", ")
}

// boundedOutput runs cmd, kills its process group past the bound, and returns
// what it printed on both streams.
func boundedOutput(cmd *exec.Cmd, limit time.Duration) ([]byte, error) {
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	timer := time.AfterFunc(limit, func() { killGroup(cmd, &out, limit) })
	defer timer.Stop()
	err := cmd.Wait()
	return out.bytes(), err
}

// killGroup ends cmd and its children, and says so in its output.
func killGroup(cmd *exec.Cmd, out *lockedBuffer, limit time.Duration) {
	fmt.Fprintf(out, "\n[killed after %v]\n", limit)
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
}

// lockedBuffer collects output of a program and remarks of a timer.
type lockedBuffer struct {
	mu   sync.Mutex
	data bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *lockedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.data.Bytes())
}
