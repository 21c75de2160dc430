//go:build linux

package volumes

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
	"safetmp/internal/launch"
)

// residentMost is what the daemon of a volume that nobody uses may have resident, in KiB: the target of the design.
const residentMost = 12 << 10

// restBound is how long after the last work a daemon is small: three looks of package lean, the last of which is for what
// came back, and a little.
const restBound = 48 * time.Second

// collectBound is how long after a collection the Go runtime makes another one for no other reason, and a look of package
// lean.
const collectBound = 140 * time.Second

// What an idle volume takes: as it was started, before and after its first work, and at rest again; one alone and fifty.
func TestIdleVolumesAreSmall(t *testing.T) {
	if os.Getenv("SOAK") == "" {
		t.Skip("takes minutes: SOAK=1")
	}
	d := startDriver(t)
	for _, count := range []int{1, 50} {
		var dirs []string
		for i := range count {
			dirs = append(dirs, d.publish(fmt.Sprintf("idle-%d", i)))
		}
		logMemory(t, count, "started", d.kubelet)
		time.Sleep(restBound)
		unused := logMemory(t, count, "unused", d.kubelet)
		for _, dir := range dirs {
			work(t, dir)
		}
		logMemory(t, count, "after work", d.kubelet)
		time.Sleep(restBound)
		rested := logMemory(t, count, "at rest", d.kubelet)
		if count > 1 { // which pages one of them has is chance
			time.Sleep(collectBound)
			later := logMemory(t, count, "later", d.kubelet)
			assert.Less(t, max(unused, rested, later), residentMost)
		}
		for i := range count {
			d.unpublish(fmt.Sprintf("idle-%d", i))
		}
	}
}

// work makes, reads, lists and removes a hundred files of up to 50 KiB, 2.4 MiB in all.
func work(t *testing.T, dir string) {
	t.Helper()
	const files = 100
	for i := range files {
		name := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.WriteFile(name, make([]byte, i<<9), 0o600))
		_, err := os.ReadFile(name)
		require.NoError(t, err)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, files)
	for _, e := range entries {
		require.NoError(t, os.Remove(filepath.Join(dir, e.Name())))
	}
}

// memory is what a process has in memory, in KiB, see proc_pid_smaps(5).
type memory struct {
	resident     int
	proportional int // pages that n processes share count as 1/n
	private      int // pages that nobody else has
}

// memoryOf asks the kernel about a process.
func memoryOf(t *testing.T, pid int) (m memory) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		var name string
		var kib int
		if n, _ := fmt.Sscanf(line, "%s %d kB", &name, &kib); n != 2 {
			continue
		}
		switch name {
		case "Rss:":
			m.resident = kib
		case "Pss:":
			m.proportional = kib
		case "Private_Clean:", "Private_Dirty:":
			m.private += kib
		}
	}
	require.Positive(t, m.resident)
	return m
}

// logMemory prints what daemons and watchers of volumes below a folder take, and returns what a daemon has resident, the
// median in KiB.
func logMemory(t *testing.T, volumes int, when, below string) (resident int) {
	t.Helper()
	for _, role := range []string{launch.WatchCommand, launch.DaemonCommand} {
		var all []memory
		for _, pid := range hosttest.Processes() {
			if args := hosttest.Args(pid); len(args) > 2 && args[1] == role && strings.Contains(strings.Join(args, " "), below+"/") {
				all = append(all, memoryOf(t, pid))
			}
		}
		require.Len(t, all, volumes, role)
		slices.SortFunc(all, func(a, b memory) int { return a.resident - b.resident })
		middle := all[volumes/2]
		resident = middle.resident
		t.Logf("%2d volumes %-10s %-6s: %5d KiB resident (at most %d), %5d proportional, %5d private",
			volumes, when, role, resident, all[volumes-1].resident, middle.proportional, middle.private)
	}
	return resident
}
