package watch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
	"safetmp/internal/mount"
)

// The test binary plays every part: a daemon that mounts and never serves, and its watcher.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "test-daemon" {
		os.Exit(complain(playDaemon(os.Args[2])))
	}
	if len(os.Args) > 2 && os.Args[1] == "test-watch" {
		os.Exit(complain(Serve(os.Args[2:])))
	}
	if len(os.Args) > 2 && os.Args[1] == "test-reuse" {
		os.Exit(complain(playReuse(os.Args[2:])))
	}
	if len(os.Args) > 2 && os.Args[1] == "test-late" {
		os.Exit(complain(playLate(os.Args[2:])))
	}
	os.Exit(m.Run())
}

// playReuse is a watcher that has just unmounted its mount, whose numbers another one has been given before it looks
// again, and that is told to end then.
func playReuse(args []string) error {
	w, err := adopt(args)
	if err != nil {
		return err
	}
	if err := w.unmount(func(mount.Entry) error { return nil }); err != nil {
		return err
	}
	if err := w.unmount(mount.Detach); !errors.Is(err, mount.ErrNotSafetmp) {
		return fmt.Errorf("the other mount was taken for its own: %v", err)
	}
	return nil
}

// playLate is playReuse for a mount that somebody else has unmounted: the other one differs by the id that is never used
// again alone.
func playLate(args []string) error {
	w, err := adopt(args)
	if err != nil {
		return err
	}
	if w.entry.Unique == 0 {
		return nil // before Linux 6.8 nothing tells them apart
	}
	w.entry.Unique += 1 << 40
	if w.look(); !w.gone() {
		return errors.New("the other mount was taken for its own")
	}
	return nil
}

func complain(err error) int {
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	return 0
}

// playDaemon mounts on dir and does what it is told, a word at a time.
func playDaemon(dir string) error {
	m, err := mount.Mount(mount.Spec{Mountpoint: dir, Source: "safetmp", UID: uint32(os.Getuid()), GID: uint32(os.Getgid())})
	if err != nil {
		return err
	}
	g, err := Start([]string{"test-watch"}, m)
	if err != nil {
		return errors.Join(err, mount.Detach(m.Entry))
	}
	fmt.Println("ready", m.ID, m.Device, m.Unique)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "unmount":
			err = g.Unmount(m.Entry)
		case "force":
			err = g.ForceDetach(m.Entry)
		case "announce":
			g.Announce(rest)
		case "end":
			g.End()
			if g.Lost() {
				err = ErrLost
			}
		}
		fmt.Println(word, nameOf(err))
		err = nil
	}
	return nil
}

// nameOf names the errors that tests tell apart.
func nameOf(err error) string {
	for name, known := range map[string]error{"busy": unix.EBUSY, "lost": ErrLost, "gone": mount.ErrNotSafetmp, "refused": mount.ErrNotPermitted} {
		if errors.Is(err, known) {
			return name
		}
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// users are those that the tests mount as: by mount(2) and by fusermount3.
func users(t *testing.T) []int {
	t.Helper()
	if os.Getuid() != 0 {
		require.False(t, hosttest.InCI(), "CI runs the tests as root")
		return []int{os.Getuid()}
	}
	return []int{0, 1000}
}

// daemon is a playDaemon.
type daemon struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	dir     string
	device  string // as the daemon's first line names it
	watcher int    // its pid
}

// place makes a mountpoint that uid owns, in a directory that everybody may enter.
func place(t *testing.T, uid int, mode os.FileMode) string {
	t.Helper()
	base, err := os.MkdirTemp("", "safetmp-watch-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	require.NoError(t, os.Chmod(base, 0o755))
	parent := filepath.Join(base, "parent")
	dir := filepath.Join(parent, "m")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, d := range []string{parent, dir} {
		require.NoError(t, os.Chown(d, uid, uid))
	}
	require.NoError(t, unix.Chmod(dir, uint32(mode)))
	return dir
}

// startDaemon starts a daemon on dir, and ends it with the test.
func startDaemon(t *testing.T, uid int, dir string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(executable(t), "test-daemon", dir), dir: dir}
	d.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10") // instead of a second for each process
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: hosttest.Credential(uid)}
	var err error
	d.in, err = d.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := d.cmd.StdoutPipe()
	require.NoError(t, err)
	d.out = bufio.NewReader(out)
	d.cmd.Stderr = os.Stderr
	require.NoError(t, d.cmd.Start())
	t.Cleanup(func() {
		d.kill()
		_ = unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	})
	line := d.line(t)
	require.True(t, strings.HasPrefix(line, "ready "), line)
	d.device = line
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", d.cmd.Process.Pid, d.cmd.Process.Pid))
	if err == nil && len(strings.Fields(string(children))) == 1 {
		d.watcher, _ = strconv.Atoi(strings.TrimSpace(string(children)))
	} else {
		d.watcher = findWatcher(t, dir)
	}
	return d
}

// executable copies the test binary to where every user may run it.
func executable(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.TempDir(), "safetmp-watch-test-"+strconv.Itoa(os.Getpid()))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	data, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o755))
	require.NoError(t, os.Chmod(path, 0o755))
	t.Cleanup(func() { _ = os.Remove(path) })
	return path
}

// findWatcher looks for the watcher of a mountpoint.
func findWatcher(t *testing.T, dir string) int {
	t.Helper()
	for _, pid := range hosttest.Processes() {
		if words := hosttest.Args(pid); len(words) > 1 && words[1] == "test-watch" && words[len(words)-1] == dir {
			return pid
		}
	}
	require.Fail(t, "no watcher")
	return 0
}

func (d *daemon) line(t *testing.T) string {
	t.Helper()
	line, err := d.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

// tell gives the daemon a word and returns what came of it.
func (d *daemon) tell(t *testing.T, words ...string) string {
	t.Helper()
	_, err := fmt.Fprintln(d.in, strings.Join(words, " "))
	require.NoError(t, err)
	return strings.TrimPrefix(d.line(t), words[0]+" ")
}

// kill ends the daemon outright and waits for it.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// watcherGone says that the watcher has exited.
func (d *daemon) watcherGone() bool { return hosttest.Gone(d.watcher) }

// promised is the time in which a killed daemon is cleaned up after. The race detector multiplies it.
func promised() time.Duration {
	if hosttest.Race {
		return 5 * time.Second
	}
	return time.Second
}

// within waits for something to become true in the time that users are promised.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	assert.Eventually(t, is, promised(), time.Millisecond, what)
}

// modeOf is the mode of a directory that nothing is mounted on.
func modeOf(t *testing.T, dir string) uint32 {
	t.Helper()
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(dir, &stat))
	return stat.Mode & 0o7777
}

func isMounted(dir string) bool {
	_, err := mount.Find(dir)
	return err == nil
}
