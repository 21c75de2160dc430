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

	"safetmp/internal/hosttest"
)

// oracleOnly lets a test be written before there is a filesystem to hold it
// against: what runs on two subjects then runs on tmpfs alone, all else skips.
var oracleOnly = flag.Bool("oracle", false, "run on the host's tmpfs only")

// basePrefix marks every folder, and so every mount, these tests make.
// Mounts elsewhere belong to somebody and are never looked at.
const basePrefix = "safetmp-it-"

// suite is what TestMain prepares; immutable while tests run.
var suite struct {
	*hosttest.Run

	bin    string // safetmp, built with the test hooks
	helper string // this test binary, where every user can execute it
}

// The main goroutine keeps the main thread, so that no test can change the
// credentials of the thread that /proc/PID stands for.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if code, was := hosttest.Helper(helpers); was {
		os.Exit(code)
	}
	flag.Parse()
	os.Exit(testMain(m))
}

// testMain prepares, runs and inspects what is left; it returns the exit code.
func testMain(m *testing.M) int {
	unix.Umask(0)
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	return suite.End(m.Run())
}

// prepare makes the folder of this run and builds the binary into it.
func prepare() (err error) {
	if suite.Run, err = hosttest.Begin(basePrefix); err != nil {
		return err
	}
	suite.bin = filepath.Join(suite.Base, "bin", "safetmp")
	suite.helper = filepath.Join(suite.Base, "bin", "helper")
	if err := makeFolders(suite.Base); err != nil {
		return err
	}
	if err := copyFile("/proc/self/exe", suite.helper, 0o755); err != nil || *oracleOnly {
		return err
	}
	return build(suite.bin, "safetmp_testhooks")
}

// makeFolders makes the fixed folders below base.
func makeFolders(base string) error {
	for dir, mode := range map[string]os.FileMode{"bin": 0o755, "m": 0o755, "log": 0o1777} {
		path := filepath.Join(base, dir)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := unix.Chmod(path, uint32(mode)); err != nil {
			return err
		}
	}
	return nil
}

// build compiles cmd/safetmp to out, with the race detector if these tests
// have it, as the daemon is the half of the pair that is under test.
func build(out string, tags ...string) error {
	args := []string{"build", "-o", out, "-tags", strings.Join(tags, ",")}
	if hosttest.Race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/safetmp")...)
	cmd.Dir = ".."
	if report, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build safetmp: %w\n%s", err, report)
	}
	return os.Chmod(out, 0o755)
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}
