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

func TestRest(t *testing.T) {
	const mib = 1 << 20
	r := rest{last: 100 * time.Millisecond}
	for i, at := range []struct {
		used  time.Duration
		files int64
		want  change
	}{
		{101 * time.Millisecond, 4 * mib, nothing}, // nothing was done yet
		{500 * time.Millisecond, 9 * mib, nothing}, // at work
		{900 * time.Millisecond, 9 * mib, nothing},
		{901 * time.Millisecond, 9 * mib, restBegins},
		{902 * time.Millisecond, 6 * mib, nothing}, // at rest already
		{903 * time.Millisecond, 8 * mib, pagesCameBack},
		{950 * time.Millisecond, 9 * mib, nothing},
		{950 * time.Millisecond, 9 * mib, restBegins},
	} {
		assert.Equal(t, at.want, r.look(at.used, at.files), "look %d", i)
	}
	assert.Positive(t, processorTime())
	assert.Positive(t, filePages())
	assert.EqualValues(t, 42, thirdField([]byte("1907 10 42 1658 0 7 0\n")))
	assert.Zero(t, thirdField([]byte("1907 10")))
}

// Pages that were given back are counted no more.
func TestDropFilePages(t *testing.T) {
	before := filePages()
	dropFilePages()
	assert.Less(t, filePages(), before)
}
