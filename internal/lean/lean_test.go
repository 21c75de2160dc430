package lean

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const someMaps = `00400000-00a00000 r-xp 00000000 fe:00 42                         /bin/safe tmp
Rss:                4000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00a00000-00b00000 r--p 00600000 fe:00 42                         /bin/safe tmp
Anonymous:             4 kB
00b00000-00c00000 rw-p 00700000 fe:00 42                         /bin/safe tmp
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0                      [anon: Go: heap]
Anonymous:             0 kB
7ff000-800000 r--p 00000000 00:00 0                              [vvar]
Anonymous:             0 kB
zz-800000 r--p 00000000 00:00 0                                  /x
Anonymous:             0 kB
900000-a00000 r--p 00000000 fe:00 43                             /lib/other
Anonymous:             0 kB
`

// Only pages that the file can give back are given up.
func TestCleanMappings(t *testing.T) {
	assert.Equal(t, []addresses{{0x400000, 0xa00000}, {0x900000, 0xa00000}}, cleanMappings(someMaps))
	assert.Empty(t, cleanMappings(""))
}

// Constants that a program has on read-only pages are there again when they are looked at.
func TestShrinkLosesNothing(t *testing.T) {
	before, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	Shrink()
	after, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	assert.Equal(t, len(before), len(after))
	assert.Contains(t, someMaps, "VmFlags: rd ex mr mw me")
}

func TestRestBeginsAfterWorkOnce(t *testing.T) {
	r := rest{last: 100 * time.Millisecond}
	for i, look := range []struct {
		used   time.Duration
		begins bool
	}{
		{101 * time.Millisecond, false}, // nothing was done yet
		{500 * time.Millisecond, false}, // at work
		{900 * time.Millisecond, false},
		{901 * time.Millisecond, true},
		{902 * time.Millisecond, false}, // at rest already
		{950 * time.Millisecond, false},
		{950 * time.Millisecond, true},
	} {
		assert.Equal(t, look.begins, r.begins(look.used), "look %d", i)
	}
	assert.Positive(t, processorTime())
}
