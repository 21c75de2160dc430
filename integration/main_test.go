//go:build linux

package integration

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// oracleOnly lets a test be written before there is a filesystem to hold it
// against: what runs on two subjects then runs on tmpfs alone, all else skips.
var oracleOnly = flag.Bool("oracle", false, "run on the host's tmpfs only")

// basePrefix marks every folder, and so every mount, these tests make.
// Mounts elsewhere belong to somebody and are never looked at.
const basePrefix = "safetmp-it-"

// suite is what TestMain prepares; immutable while tests run.
var suite struct {
	base   string // folder of this run, mode 0755
	bin    string // safetmp, built with the test hooks
	helper string // this test binary, where every user can execute it
	races  string // prefix of the race detector's reports
	dev    uint64 // device of base, to tell mounts from plain folders
}

// The main goroutine keeps the main thread, so that no test can change the
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
	unix.Umask(0)
	if err := refuseLeftovers(); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	lock, err := prepare()
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	before := openFiles()
	code := m.Run()
	for _, problem := range leftBehind(before) {
		fmt.Fprintln(os.Stderr, "integration: left behind:", problem)
		code = max(code, 1)
	}
	_ = lock.Close()
	return code
}

// prepare makes the folder of this run and builds the binary into it. The
// returned file is held locked to mark the folder as in use.
func prepare() (*os.File, error) {
	base, err := os.MkdirTemp("", basePrefix)
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(base)
	if err != nil {
		return nil, err
	}
	suite.base = base
	suite.bin = filepath.Join(base, "bin", "safetmp")
	suite.helper = filepath.Join(base, "bin", "helper")
	suite.races = filepath.Join(base, "race")
	if err := makeFolders(base); err != nil {
		return nil, err
	}
	if err := copyFile("/proc/self/exe", suite.helper, 0o755); err != nil {
		return nil, err
	}
	if *oracleOnly {
		return lock, nil
	}
	return lock, build(suite.bin, "safetmp_testhooks")
}

// makeFolders opens base to every user and makes its fixed folders.
func makeFolders(base string) error {
	if err := os.Chmod(base, 0o755); err != nil {
		return err
	}
	for dir, mode := range map[string]os.FileMode{"bin": 0o755, "m": 0o755, "log": 0o1777} {
		path := filepath.Join(base, dir)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := unix.Chmod(path, uint32(mode)); err != nil {
			return err
		}
	}
	return mountConnections()
}

// build compiles cmd/safetmp to out, with the race detector if these tests
// have it, as the daemon is the half of the pair that is under test.
func build(out string, tags ...string) error {
	args := []string{"build", "-o", out, "-tags", strings.Join(tags, ",")}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/safetmp")...)
	cmd.Dir = ".."
	if report, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build safetmp: %w\n%s", err, report)
	}
	return os.Chmod(out, 0o755)
}

// lockFolder marks base as used by a living run.
func lockFolder(base string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(base, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return lock, unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}
