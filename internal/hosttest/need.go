package hosttest

import (
	"os"
	"os/exec"
	"testing"
)

// InCI says that nothing may be skipped for want of something that can be installed.
func InCI() bool { return os.Getenv("CI") == "true" }

// Missing skips the test with its reason, or fails it in CI.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if InCI() {
		t.Fatalf("CI may not skip: "+format, args...)
	}
	t.Skipf(format, args...)
}

// NeedRoot is for tests that only root can run; why says what for.
func NeedRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root %s", why)
	}
}

// NeedProgram returns where the program of this name is.
func NeedProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed", name)
	}
	return path
}
