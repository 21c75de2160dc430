package hosttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asked is a test that is told to skip or to fail.
type asked struct {
	testing.TB
	said string
}

func (a *asked) Helper()                          {}
func (a *asked) Skipf(format string, args ...any) { a.said += "skip: " + fmt.Sprintf(format, args...) }
func (a *asked) Fatalf(format string, args ...any) {
	a.said += "fail: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestMissing(t *testing.T) {
	for ci, want := range map[string]string{"": "skip: no-such-program is not installed", "true": "fail: CI may not skip: no-such-program is not installed"} {
		t.Setenv("CI", ci)
		a := &asked{}
		var wait sync.WaitGroup
		wait.Go(func() { NeedProgram(a, "no-such-program") })
		wait.Wait()
		assert.Equal(t, want, a.said)
	}
}

func begin(t *testing.T, prefix string) *Run {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	r, err := Begin(prefix)
	require.NoError(t, err)
	return r
}

// What a run leaves makes it fail, and makes the next one refuse to start.
func TestRunTellsWhatItLeft(t *testing.T) {
	r := begin(t, "left-")
	require.Empty(t, Left(r.Base))
	bin := filepath.Join(r.Base, "sleep")
	program, err := os.ReadFile(NeedProgram(t, "sleep"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(bin, program, 0o700))
	require.NoError(t, unix.Flock(int(r.lock.Fd()), unix.LOCK_UN), "as if it had died")
	// tail waits for what it follows; it is given a file so that its arguments name the folder.
	require.NoError(t, os.WriteFile(filepath.Join(r.Base, "f"), nil, 0o600))
	for what, cmd := range map[string]*exec.Cmd{"program": exec.Command(bin, "60"), "argument": exec.Command("tail", "-f", r.Base+"/f")} {
		require.NoError(t, cmd.Start())
		assert.Len(t, ProcessesFrom(r.Base), 1, what)
		_, err = Begin("left-")
		assert.ErrorContains(t, err, "an earlier run left process "+fmt.Sprint(cmd.Process.Pid))
		assert.Equal(t, 1, r.End(0), what)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	assert.NoError(t, os.WriteFile(r.races+".1", []byte("WARNING: DATA RACE"), 0o600))
	assert.Equal(t, 1, r.End(0), "a data race")
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	assert.Equal(t, 1, r.End(0), "a descriptor")
	require.NoError(t, f.Close())
	assert.Equal(t, 1, r.End(0, "a group"), "what the caller knows")
	assert.Equal(t, 3, r.End(3), "the tests failed")
	assert.DirExists(t, r.Base)
	assert.Zero(t, r.End(0))
	assert.NoDirExists(t, r.Base)
}

func TestRunTellsAMount(t *testing.T) {
	NeedRoot(t, "to mount")
	r := begin(t, "mount-")
	dir := filepath.Join(r.Base, "m")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=4k"))
	assert.NotNil(t, MountAt(dir))
	assert.Equal(t, []string{"mount " + dir}, LeftAfter(0, r.Base))
	assert.Equal(t, 1, r.End(0))
	require.NoError(t, unix.Unmount(dir, 0))
	assert.Zero(t, r.End(0))
}

// Runs beside one another leave each other's folders alone; that of a dead one goes.
func TestRunsBesideOneAnother(t *testing.T) {
	first := begin(t, "beside-")
	second, err := Begin("beside-")
	require.NoError(t, err)
	assert.DirExists(t, first.Base)
	require.NoError(t, first.lock.Close(), "it dies")
	third, err := Begin("beside-")
	require.NoError(t, err)
	assert.NoDirExists(t, first.Base)
	assert.Zero(t, third.End(0))
	assert.Zero(t, second.End(0))
}

func TestAs(t *testing.T) {
	NeedRoot(t, "to act as several users")
	defer unix.Umask(unix.Umask(0o27))
	require.NoError(t, As(1234, func() error {
		assert.Equal(t, 1234, unix.Getuid())
		assert.Equal(t, 1234, unix.Getegid())
		groups, err := unix.Getgroups()
		assert.Empty(t, groups)
		unix.Umask(0o77)
		return err
	}))
	assert.Equal(t, 0, unix.Getuid())
	assert.Equal(t, 0o27, unix.Umask(0o27), "of that thread alone")
	out, err := Command(1234, "id", "-u").Output()
	require.NoError(t, err)
	assert.Equal(t, "1234", strings.TrimSpace(string(out)))
}

func TestProcess(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read line; exit 7")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	pid := cmd.Process.Pid
	assert.Contains(t, Children(os.Getpid()), pid)
	assert.Equal(t, []string{"sh", "-c", "read line; exit 7"}, Args(pid))
	assert.Positive(t, StatusKiB(t, pid, "VmRSS"))
	assert.False(t, Gone(pid))
	require.NoError(t, in.Close())
	require.Eventually(t, func() bool { return Gone(pid) }, 10*time.Second, time.Millisecond)
	assert.Equal(t, "Z", State(pid), "nobody has waited")
	assert.Equal(t, 7, ExitStatus(cmd.Wait()))
	assert.True(t, Gone(pid))
	assert.Empty(t, State(pid))
	assert.Equal(t, 128+9, ExitStatus(exec.Command("sh", "-c", "kill -9 $$").Run()))
	assert.Equal(t, -1, ExitStatus(os.ErrNotExist))
}

// What another mount namespace keeps is told after it was unmounted here.
func TestMountedFor(t *testing.T) {
	NeedRoot(t, "to mount")
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	keeper := exec.Command("sleep", "60")
	keeper.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	err := keeper.Start()
	require.NoError(t, unix.Unmount(dir, 0))
	require.NoError(t, err)
	assert.Equal(t, []string{fmt.Sprint(keeper.Process.Pid, " sleep")}, MountedFor(dir))
	_ = keeper.Process.Kill()
	_ = keeper.Wait()
	assert.Empty(t, MountedFor(dir))
}
