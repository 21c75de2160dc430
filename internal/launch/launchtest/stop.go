package launchtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// stopBound is how long the threads of a process may take to stop.
const stopBound = 10 * time.Second

// Stop sends SIGSTOP to a process, and returns when each of its threads has stopped: kill(2) returns before that, and a
// thread may answer a last request.
func Stop(t testing.TB, pid int) {
	t.Helper()
	require.NoError(t, unix.Kill(pid, unix.SIGSTOP))
	require.Eventually(t, func() bool {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, task := range tasks {
			if text, err := os.ReadFile(task); err == nil && !bytes.Contains(text, []byte(") T ")) {
				return false
			}
		}
		return len(tasks) > 0
	}, stopBound, time.Millisecond, "the threads of %d have not stopped", pid)
}
