package suites

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// facts is what a probe found out, by what it looked at.
type facts map[string]string

// probe asks one part of the kernel about a folder. It works as root and may act
// as others.
type probe struct {
	name   string
	shared bool // it needs a mount that others may enter
	do     func(t *testing.T, dir string) facts
}

// probes ask what random sequences of calls do not reach.
var probes = []probe{
	{"chroot", false, probeChroot},
	{"bind mounts", false, probeBind},
	{"mounts inside", false, probeInside},
	{"idmapped mount", false, probeIDMap},
	{"leases", false, probeLeases},
	{"long paths", false, probePaths},
	{"far offsets", false, probeOffsets},
	{"removed directory", false, probeRemoved},
	{"users", true, probeUsers},
	{"sticky directory", true, probeSticky},
	{"groups", true, probeGroups},
	{"container", true, probeContainer},
}

// TestKernel runs each probe on tmpfs and in each configuration of safetmp, and
// compares the facts one by one.
func TestKernel(t *testing.T) {
	oracle := mountTmpfs(t, "size=256m,mode=1777")
	want, all := map[string]facts{}, 0
	for _, p := range probes {
		t.Run("tmpfs/"+p.name, func(t *testing.T) { want[p.name] = p.run(t, oracle) })
		all += len(want[p.name])
	}
	t.Logf("%d facts on tmpfs", all)
	for _, c := range rowsToRun() {
		t.Run(c.name, func(t *testing.T) {
			m := c.mountRow(t, posix, "size=256m")
			same, other := 0, 0
			for _, p := range probes {
				if p.shared && !c.shared {
					continue
				}
				t.Run(p.name, func(t *testing.T) {
					differ := compareFacts(t, p.name, want[p.name], p.run(t, m.dir))
					same, other = same+len(want[p.name])-differ, other+differ
				})
			}
			t.Logf("%d facts as on tmpfs, %d listed differences", same, other)
			m.check(t)
		})
	}
}

// run gives the probe a folder of its own, which must be empty space again
// afterwards.
func (p probe) run(t *testing.T, top string) facts {
	before, err := hosttest.UsageOf(top)
	require.NoError(t, err)
	dir := top + "/probe"
	require.NoError(t, mkdirExactly(dir, 0o777))
	found := p.do(t, dir)
	require.NoError(t, removeTree(dir))
	hosttest.SettlesTo(t, top, before)
	require.NotEmpty(t, found)
	return found
}

// compareFacts returns how many facts differ as the table says.
func compareFacts(t *testing.T, name string, want, got facts) (differ int) {
	t.Helper()
	assert.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), "what was looked at")
	for key, value := range want {
		if got[key] != value {
			assert.True(t, tolerated("kernel", name+": "+key), "%s: tmpfs %q, safetmp %q", key, value, got[key])
			differ++
		}
	}
	return differ
}

// as runs work as uid and notes its error.
func (f facts) as(uid int, key string, work func() error) {
	f[fmt.Sprint(key, " as ", uid)] = errname(act(uid, work))
}

// note notes an error.
func (f facts) note(key string, err error) { f[key] = errname(err) }

// value notes what a call returned, or its error.
func (f facts) value(key string, v any, err error) {
	f[key] = fmt.Sprint(v)
	if err != nil {
		f[key] = errname(err)
	}
}
