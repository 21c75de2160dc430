package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgressLine(t *testing.T) {
	assert.Equal(t, "["+strings.Repeat("-", 30)+"] 0 B of 1.0 GiB overwritten", progressLine(0, 1<<30, 80))
	assert.Equal(t, "["+strings.Repeat("#", 15)+strings.Repeat("-", 15)+"] 512.0 MiB of 1.0 GiB overwritten", progressLine(1<<29, 1<<30, 80))
	assert.Equal(t, "["+strings.Repeat("#", 30)+"] 1.0 GiB of 1.0 GiB overwritten", progressLine(1<<31, 1<<30, 200))
	assert.Equal(t, "512.0 MiB of 1.0 GiB overwritten", progressLine(1<<29, 1<<30, 79))
}

// The line is drawn once there is something to say, again in its place, and taken away.
func TestDrawProgress(t *testing.T) {
	states := [][2]int64{{0, 0}, {0, 100}, {50, 100}, {0, 0}, {100, 100}}
	ctx, cancel := context.WithCancel(context.Background())
	var out bytes.Buffer
	drawProgress(ctx, &out, 40, func() (int64, int64) {
		s := states[0]
		if states = states[1:]; len(states) == 0 {
			cancel()
		}
		return s[0], s[1]
	})
	assert.Equal(t, "\r0 B of 100 B overwritten\x1b[K\r50 B of 100 B overwritten\x1b[K\r100 B of 100 B overwritten\x1b[K\r\x1b[K", out.String())
}

func TestProgressIsForTerminals(t *testing.T) {
	assert.Zero(t, terminalWidth(&bytes.Buffer{}))
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer f.Close()
	assert.Zero(t, terminalWidth(f))
}
