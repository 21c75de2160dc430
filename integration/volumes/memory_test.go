//go:build linux

package volumes

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The contents of a removed volume are in the memory of its daemon no more, right before it exits.
func TestRemovedVolumeIsGoneFromMemory(t *testing.T) {
	d := suite.docker
	fifo := filepath.Join(suite.Base, "hold")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	restartPlugin(t, unix.SIGTERM, "SAFETMP_TEST_HOLD_EXIT="+fifo)
	t.Cleanup(func() {
		_ = os.Remove(fifo)
		restartPlugin(t, unix.SIGTERM)
	})
	var secret [16]byte
	_, err := rand.Read(secret[:])
	require.NoError(t, err)
	text := hex.EncodeToString(secret[:])
	d.create(t, "gone", "size=8m", "mode=1777")
	d.run(t, "gone:/v", fmt.Sprintf(`for i in 1 2 3 4 5 6 7 8 9; do s=${s}%s; done; for i in $(seq 1 2000); do echo $s; done > /v/f; cp /v/f /v/g; cat /v/g > /dev/null; rm /v/g`, text))
	pid := daemonOf(t, "gone")
	require.Greater(t, copies(t, pid, text), 1000, "the scan finds what is there")

	removed := make(chan error, 1)
	go func() {
		_, err := d.try("volume", "rm", "gone")
		removed <- err
	}()
	hold, err := os.Open(fifo) // waits for the daemon, which waits for us
	require.NoError(t, err)
	assert.Zero(t, copies(t, pid, text))
	require.NoError(t, hold.Close())
	require.NoError(t, <-removed)
}

// copies counts a text in the memory of a process. It reads the pages that there are: reading others would make them, and
// charge them to the volume's group.
func copies(t *testing.T, pid int, text string) (found int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer memory.Close()
	pagemap, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	require.NoError(t, err)
	defer pagemap.Close()
	read := 0
	for line := range strings.Lines(string(maps)) {
		var start, end uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &start, &end); n != 2 || strings.Contains(line, "[v") || strings.Contains(line, "/dev/") {
			continue
		}
		for _, run := range present(t, pagemap, start, end) {
			data := make([]byte, run.end-run.start)
			_, err := memory.ReadAt(data, int64(run.start))
			require.NoError(t, err, line)
			found += bytes.Count(data, []byte(text))
			read += len(data)
		}
	}
	require.Greater(t, read, 1<<20, "a scan that reads nothing finds nothing")
	return found
}

// extent is a range of addresses.
type extent struct{ start, end uint64 }

// present lists the pages of a range that exist, proc_pid_pagemap(5), as runs.
func present(t *testing.T, pagemap *os.File, start, end uint64) (runs []extent) {
	t.Helper()
	const pageSize, entrySize, batch = 4096, 8, 1 << 16
	buf := make([]byte, batch*entrySize)
	for at := start; at < end; {
		count := min((end-at)/pageSize, batch)
		_, err := pagemap.ReadAt(buf[:count*entrySize], int64(at/pageSize*entrySize))
		require.NoError(t, err)
		for i := range count {
			page := at + i*pageSize
			if binary.NativeEndian.Uint64(buf[i*entrySize:])>>62 == 0 {
				continue
			}
			if n := len(runs); n > 0 && runs[n-1].end == page {
				runs[n-1].end += pageSize
			} else {
				runs = append(runs, extent{page, page + pageSize})
			}
		}
		at += count * pageSize
	}
	return runs
}
