//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// probeOption makes the daemon try from within itself what it must not be able
// to do. The results are in the file that is returned.
func probeOption(t *testing.T, uid int) (mountOption, string) {
	t.Helper()
	folder := filepath.Join(suite.Base, "log", fmt.Sprint("probe", mountCount.Add(1)))
	require.NoError(t, os.Mkdir(folder, 0o700))
	script := filepath.Join(folder, "script")
	results := filepath.Join(folder, "results")
	for _, path := range []string{filepath.Join(folder, "existing"), script, results} {
		require.NoError(t, os.WriteFile(path, []byte("#!/no/such/interpreter\n"), 0o700))
		require.NoError(t, os.Chown(path, uid, uid))
	}
	require.NoError(t, os.Chown(folder, uid, uid))
	listener, err := net.Listen("unix", filepath.Join(folder, "socket"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	require.NoError(t, os.Chmod(filepath.Join(folder, "socket"), 0o666))
	victim := command(uid, "sleep", "60")
	require.NoError(t, victim.Start())
	t.Cleanup(func() { endVictim(victim) })
	place, err := json.Marshal(map[string]any{"Folder": folder, "Socket": filepath.Join(folder, "socket"), "Victim": victim.Process.Pid})
	require.NoError(t, err)
	return environ("SAFETMP_TEST_PROBE="+results, "SAFETMP_TEST_PROBE_PLACE="+string(place)), results
}

func endVictim(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// TestHardening: what an attacker who had taken over the daemon would try
// first is refused, by whoever it was mounted and on every thread.
func TestHardening(t *testing.T) {
	if hosttest.Race {
		t.Skip("the race detector's runtime makes calls of its own, so the daemon under it is hardened in part")
	}
	for _, uid := range mounters() {
		t.Run(fmt.Sprint("by ", uid), func(t *testing.T) {
			probe, results := probeOption(t, uid)
			m := mountTest(t, mountedBy(uid), probe)
			for name, got := range readAttempts(t, results) {
				assert.Contains(t, []string{"EPERM", "EACCES"}, got, name)
			}
			m.isHardened(t)
		})
	}
}

// readAttempts reads the results of probeOption.
func readAttempts(t *testing.T, path string) (attempts map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &attempts))
	require.Greater(t, len(attempts), 20)
	return attempts
}

// isHardened checks every thread of the daemon from outside.
func (m *live) isHardened(t *testing.T) {
	t.Helper()
	m.holdsOnly(t, 0)
}

// holdsOnly is isHardened with a set of capabilities that it keeps.
func (m *live) holdsOnly(t *testing.T, capabilities uint64) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", m.pid))
	require.NoError(t, err)
	require.Greater(t, len(paths), 3)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		kept := fmt.Sprintf("%016x", capabilities)
		for _, line := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapPrm:\t" + kept, "CapEff:\t" + kept, "CapAmb:\t0000000000000000"} {
			assert.Contains(t, string(text), line, path)
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", m.pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(limits)) {
		if strings.HasPrefix(line, "Max core file size") {
			assert.Equal(t, []string{"0", "0"}, strings.Fields(line)[4:6])
		}
	}
}

// TestReadinessForTheServiceManager: the daemon is hardened before it is
// ready, and says so all the same.
func TestReadinessForTheServiceManager(t *testing.T) {
	needSafetmp(t)
	path := filepath.Join(suite.Base, "log", fmt.Sprint("notify", mountCount.Add(1)))
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, os.Chmod(path, 0o666))
	mountTest(t, mountedBy(user()), environ("NOTIFY_SOCKET="+path))
	message := make([]byte, 100)
	n, err := socket.Read(message)
	require.NoError(t, err)
	assert.Equal(t, "READY=1", string(message[:n]))
}
