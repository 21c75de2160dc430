//go:build linux

package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// told is what these tests read of an event.
type told struct {
	Event    string `json:"event"`
	Lost     int    `json:"lost"`
	Rule     string `json:"rule"`
	UID      int    `json:"uid"`
	NameHash string `json:"name_hash"`
	Complete bool   `json:"complete"`
}

// followEvents runs safetmp events --json as uid and returns its output, of which the first line was read.
func followEvents(t testing.TB, m *live, uid int) (*bufio.Scanner, *exec.Cmd) {
	t.Helper()
	cmd := command(uid, suite.bin, "events", "--json", m.dir)
	cmd.Env = daemonEnv(nil)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "no first line")
	assert.Equal(t, "following", toldBy(t, lines).Event)
	return lines, cmd
}

func toldBy(t testing.TB, lines *bufio.Scanner) (e told) {
	t.Helper()
	require.NoError(t, json.Unmarshal(lines.Bytes(), &e), "%s", lines.Text())
	return e
}

// TestEventsNeverHoldTheMount: followers that read nothing cost the workload nothing that can be seen; what they missed is
// counted for them, to the last event.
func TestEventsNeverHoldTheMount(t *testing.T) {
	const refusals = 20_000
	m := mountTest(t, options("size=16m"))
	refuse := func() time.Duration {
		begun := time.Now()
		require.NoError(t, as(m.owner, func() error {
			for i := range refusals {
				if err := unix.Symlink("x", m.dir+"/link"); err != unix.EPERM {
					return fmt.Errorf("symlink %d: %w", i, err)
				}
			}
			return nil
		}))
		return time.Since(begun)
	}
	alone := refuse()
	lines, cmd := followEvents(t, m, m.by)
	for range 3 {
		followEvents(t, m, m.by) // never reads again
	}
	watched := refuse()
	t.Logf("%d refusals alone in %v, with 4 followers that do not read in %v", refusals, alone, watched)
	assert.Less(t, watched, 20*alone+5*time.Second)

	ended := make(chan error, 1)
	go func() {
		out, err := m.umount()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		ended <- err
	}()
	var seen, lost int
	var last told
	for lines.Scan() {
		last = toldBy(t, lines)
		lost += last.Lost
		if last.Event == "refused" {
			seen++
			assert.Equal(t, "symlinks", last.Rule)
			assert.Equal(t, m.owner, last.UID)
		}
	}
	require.NoError(t, <-ended)
	assert.NoError(t, cmd.Wait(), "the end of the mount is a success")
	assert.Equal(t, "ended", last.Event, "the last event always comes")
	assert.True(t, last.Complete)
	assert.Equal(t, refusals, seen+lost, "%d seen, %d lost", seen, lost)
	assert.Positive(t, lost, "nothing was lost: the reader was not slow")
}

// TestEventsAreTheOwners: nobody else hears anything.
func TestEventsAreTheOwners(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("size=16m"))
	cmd := command(other, suite.bin, "events", m.dir)
	cmd.Env = daemonEnv(nil)
	out, err := boundedOutput(cmd, stopBound)
	assert.Equal(t, 21, hosttest.ExitStatus(err), "%s", out)
	assert.NotContains(t, string(out), "following")
	followEvents(t, m, victim)
}
