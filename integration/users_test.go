//go:build linux

package integration

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// The users that tests act as. No account has to exist: ids are enough.
const (
	root   = 0
	victim = 1000
	other  = 1001
)

// Short names for what stands on every other line.
var (
	as          = hosttest.As
	command     = hosttest.Command
	errname     = hosttest.Errname
	needProgram = hosttest.NeedProgram
)

// user is who an ordinary test acts as: an ordinary user when the tests run
// as root, else whoever runs them.
func user() int {
	if os.Getuid() == root {
		return victim
	}
	return os.Getuid()
}

// become turns the calling test's thread into uid, with no group but its own
// and a umask and working directory of its own. The thread is never unlocked:
// it ends with the test's goroutine. Cleanups of the same test run as uid too.
func become(t testing.TB, uid int) {
	t.Helper()
	require.NoError(t, hosttest.Become(uid), "become uid %d", uid)
}

// needRoot is for tests that act as several users.
func needRoot(t testing.TB) {
	t.Helper()
	hosttest.NeedRoot(t, "to act as several users")
}

// needSafetmp skips when only the oracle was asked for.
func needSafetmp(t testing.TB) {
	t.Helper()
	if *oracleOnly {
		t.Skip("-oracle: tmpfs only")
	}
}
