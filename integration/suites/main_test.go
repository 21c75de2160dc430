package suites

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// basePrefix marks every folder, and so every mount, that these tests make.
const basePrefix = "safetmp-suites-"

// suite is what TestMain prepares; immutable while tests run.
var suite struct {
	base  string // folder of this run
	races string // prefix of the race detector's reports
}

// soak says that everything runs for long.
var soak = os.Getenv("SOAK") == "1"

// spend is how long a random test may go on: short in CI, long in a soak.
func spend(short, long time.Duration) time.Duration {
	if soak {
		return long
	}
	return short
}

// The main goroutine keeps the main thread, so that no test changes the
// credentials of the thread that /proc/PID stands for.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		os.Exit(runHelper(name, os.Args[1:]))
	}
	flag.Parse()
	os.Exit(testMain(m))
}

// testMain prepares, runs and inspects what is left; it returns the exit code.
func testMain(m *testing.M) int {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "suites:", err)
		return 1
	}
	code := m.Run()
	if left := leftBehind(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "suites: left behind:", strings.Join(left, ", "))
		return max(code, 1)
	}
	return code
}

// prepare makes the folder of this run. Mounts of other runs are not looked at:
// they may be under way.
func prepare() error {
	base, err := os.MkdirTemp("", basePrefix)
	if err != nil {
		return err
	}
	suite.base, suite.races = base, filepath.Join(base, "race")
	if err := os.Chmod(base, 0o755); err != nil {
		return err
	}
	return mountConnections()
}

// connections is where the kernel lists FUSE connections, to abort them.
const connections = "/sys/fs/fuse/connections"

// mountConnections mounts fusectl where a machine without systemd lacks it.
func mountConnections() error {
	if os.Getuid() != 0 {
		return nil
	}
	mounted, err := mountinfo.Mounted(connections)
	if err != nil || mounted {
		return err
	}
	return unix.Mount("fusectl", connections, "fusectl", 0, "")
}

// leftBehind lists what this run failed to take away, and removes its folder.
func leftBehind() []string {
	var left []string
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(suite.base))
	if err != nil {
		return []string{err.Error()}
	}
	for _, info := range infos {
		left = append(left, "mount "+info.Mountpoint)
	}
	if reports := raceReports(); len(reports) > 0 {
		left = append(left, reports...)
	}
	if len(left) > 0 {
		return left
	}
	if err := os.RemoveAll(suite.base); err != nil {
		left = append(left, err.Error())
	}
	return left
}

// raceReports takes what the race detector reported in daemons so far.
func raceReports() []string {
	paths, _ := filepath.Glob(suite.races + ".*")
	var reports []string
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil && len(data) > 0 {
			reports = append(reports, string(data))
		}
		_ = os.Remove(path)
	}
	return reports
}

// inCI says that nothing may be skipped for want of something.
func inCI() bool { return os.Getenv("CI") == "true" }

// missing skips the test with its reason, or fails it in CI.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if inCI() {
		t.Fatalf("CI may not skip: "+format, args...)
	}
	t.Skipf(format, args...)
}

// needRoot is for tests that mount and act as several users, which is all.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "needs root to mount tmpfs and to act as several users")
	}
}

// needProgram returns where name is.
func needProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "%s is not installed", name)
	}
	return path
}
