package suites

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"safetmp/internal/hosttest"
)

// basePrefix marks every folder, and so every mount, that these tests make.
const basePrefix = "safetmp-suites-"

// suite is what TestMain prepares; immutable while tests run.
var suite *hosttest.Run

// errname is short, as it stands on every other line.
var errname = hosttest.Errname

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
	if code, was := hosttest.Helper(helpers); was {
		os.Exit(code)
	}
	flag.Parse()
	os.Exit(testMain(m))
}

// testMain prepares, runs and inspects what is left; it returns the exit code.
func testMain(m *testing.M) int {
	var err error
	if suite, err = hosttest.Begin(basePrefix); err != nil {
		fmt.Fprintln(os.Stderr, "suites:", err)
		return 1
	}
	return suite.End(m.Run())
}

// needRoot is for tests that mount and act as several users, which is all.
func needRoot(t testing.TB) {
	t.Helper()
	hosttest.NeedRoot(t, "to mount tmpfs and to act as several users")
}
