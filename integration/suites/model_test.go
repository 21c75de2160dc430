package suites

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"safetmp/internal/hosttest"
)

// model runs random sequences of system calls in lock step on the host's tmpfs
// and on safetmp, and compares everything that a program can see.
type model struct {
	tmpfs, safetmp *side
	owner          *actor
	actors         []*actor // who makes the calls; owner among them
	ops            []op     // each as often as it weighs
	keepModes      bool     // else modes lose what they give to group and others
	direct         bool     // tmpfs knows O_DIRECT
	fine           bool     // tmpfs tells each change of a time from the one before

	sequences, calls int64
	failing          bool // a sequence failed and is being shrunk, however long it takes

	// read holds, by id, the files that may have been read or listed since the
	// last look at them.
	read map[int]bool
	// spread holds, by id, the files in which fallocate made pages.
	spread map[int]bool
	// vague holds, by id, the directories in which something was linked or
	// removed since the last look: tmpfs stamps them with the ctime of that
	// file (simple_unlink in fs/libfs.c), which may be no later than their own.
	vague map[int]bool
}

var sequenceCount atomic.Int64

// TestModel compares tmpfs and safetmp call by call.
func TestModel(t *testing.T) {
	for _, c := range rowsToRun() {
		t.Run(c.name, func(t *testing.T) {
			uids := []int{root}
			if c.shared {
				uids = []int{root, alice, bob}
			}
			m := newModel(t, uids, slices.Concat(c.words, words(posix))...)
			m.keepModes = true
			m.ops = weigh(allOps())
			m.run(t, spend(11*time.Second, 3*time.Minute))
		})
	}
	t.Run("tmpdir below a directory", func(t *testing.T) {
		m := newModel(t, []int{alice}, "profile=tmpdir", "uid=1000", "gid=1000", "mode=700")
		m.tmpfs.umask = 0o077
		m.ops = weigh(without(allOps(), "symlink"))
		m.run(t, spend(11*time.Second, 3*time.Minute))
	})
}

// newModel mounts both sides. The first user owns them.
func newModel(t *testing.T, uids []int, words ...string) *model {
	t.Helper()
	bound := spend(2*time.Minute, 15*time.Minute)
	subject := mountChecked(t, bound, append(slices.Clone(words), "size=256m", "nr_inodes=1m")...)
	oracle := mountTmpfs(t, fmt.Sprintf("size=256m,nr_inodes=1m,mode=1777,uid=%d,gid=%d", uids[0], uids[0]))
	m := &model{tmpfs: &side{name: "tmpfs", oracle: true}, safetmp: &side{name: "safetmp"}}
	for _, uid := range uids {
		a, err := newActor(uid)
		require.NoError(t, err)
		t.Cleanup(a.dismiss)
		m.actors = append(m.actors, a)
	}
	m.owner = m.actors[0]
	m.safetmp.home, m.tmpfs.home = subject.dir+"/home", oracle+"/home"
	m.owner.do(func() {
		for _, s := range m.sides() {
			assert.NoError(t, os.Mkdir(s.home, 0o755))
		}
	})
	require.False(t, t.Failed())
	m.probe(t, oracle)
	t.Cleanup(func() { subject.check(t) })
	return m
}

func (m *model) sides() []*side { return []*side{m.tmpfs, m.safetmp} }

// probe finds out what this kernel's tmpfs can be asked for.
func (m *model) probe(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.Open(dir+"/probe", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC|unix.O_DIRECT, 0o600)
	m.direct = err == nil
	if !m.direct {
		fd, err = unix.Open(dir+"/probe", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	}
	require.NoError(t, err)
	defer unix.Close(fd)
	defer func() { require.NoError(t, unix.Unlink(dir+"/probe")) }()
	m.fine = true
	var before, after unix.Stat_t
	for range 50 {
		require.NoError(t, unix.Fstat(fd, &before))
		require.NoError(t, unix.Fchmod(fd, 0o600))
		require.NoError(t, unix.Fstat(fd, &after))
		m.fine = m.fine && before.Ctim != after.Ctim
	}
	if !m.fine {
		t.Log("this kernel's tmpfs has coarse times: that a time did not change is not compared")
	}
}

// run runs sequences for d.
func (m *model) run(t *testing.T, d time.Duration) {
	t.Helper()
	setFlag(t, "rapid.checks", "500")
	setFlag(t, "rapid.nofailfile", "true")
	setFlag(t, "rapid.shrinktime", "20s")
	before := map[*side]hosttest.Usage{}
	for _, s := range m.sides() {
		m.owner.do(func() { before[s], _ = hosttest.UsageOf(s.home) })
	}
	next := seeds(t)
	deadline := time.Now().Add(d)
	for time.Now().Before(deadline) {
		setFlag(t, "rapid.seed", next())
		rapid.Check(t, func(rt *rapid.T) {
			if m.failing || time.Now().Before(deadline) {
				m.sequence(rt)
			}
		})
	}
	t.Logf("%d sequences, %d calls, differences met: %v", m.sequences, m.calls, occurrences("model"))
	require.Greater(t, m.sequences, int64(100), "sequences")
	for _, s := range m.sides() {
		m.owner.do(func() { hosttest.SettlesTo(t, s.home, before[s]) })
	}
}

// seeds gives each round of a run a seed of its own, far from the others: one seed
// stands for the same sequences each time. The first is what was asked for, zero
// a free one.
func seeds(t *testing.T) func() string {
	asked := flag.Lookup("rapid.seed").Value.String()
	t.Cleanup(func() { setFlag(t, "rapid.seed", asked) })
	seed, err := strconv.ParseUint(asked, 0, 64)
	require.NoError(t, err)
	return func() string {
		this := seed
		if seed != 0 {
			seed += 1 << 32
		}
		return strconv.FormatUint(this, 10)
	}
}

func setFlag(t *testing.T, name, value string) {
	t.Helper()
	require.NoError(t, flag.Set(name, value))
}

// sequence is one sequence, from two empty directories to two equal trees.
func (m *model) sequence(t *rapid.T) {
	m.sequences++
	m.read, m.spread, m.vague = map[int]bool{}, map[int]bool{}, map[int]bool{}
	number := sequenceCount.Add(1)
	for _, s := range m.sides() {
		m.owner.do(func() { assert.NoError(t, s.begin(number), s.name) })
	}
	defer func() {
		m.failing = m.failing || t.Failed()
		for _, s := range m.sides() {
			m.owner.do(func() { assert.NoError(t, s.end(), s.name) })
		}
	}()
	if t.Failed() {
		t.FailNow()
	}
	if len(m.actors) > 1 {
		m.openHome(t)
	}
	t.Repeat(map[string]func(*rapid.T){"call": m.step})
	m.compareTrees(t)
}

// openHome lets every user work in the directory of the sequence.
func (m *model) openHome(t *rapid.T) {
	mode := rapid.SampledFrom([]uint32{0o777, 0o1777, 0o2777, 0o3777, 0o755}).Draw(t, "home")
	for _, s := range m.sides() {
		m.owner.do(func() { assert.NoError(t, unix.Fchmod(s.fds[0], mode)) })
	}
}

// step makes one call on both sides and compares.
func (m *model) step(t *rapid.T) {
	m.calls++
	who := m.owner
	if len(m.actors) > 1 {
		who = rapid.SampledFrom(m.actors).Draw(t, "who")
	}
	o := rapid.SampledFrom(m.ops).Draw(t, "op")
	c := o.draw(t, m)
	var got [2]string
	m.noteVague(c) // the call may remove what leads there
	who.do(func() {
		for i, s := range m.sides() {
			unix.Umask(s.umask)
			got[i] = c.do(s)
		}
	})
	t.Logf("%d %s(%s) = %s", who.uid, o.name, c.text, got[0])
	if got[0] != got[1] {
		t.Fatalf("%s(%s) as %d:\n  tmpfs   %s\n  safetmp %s", o.name, c.text, who.uid, got[0], got[1])
	}
	for _, slot := range c.reads {
		m.noteRead(slot)
	}
	m.noteVague(c)
	if rapid.IntRange(0, 7).Draw(t, "look") > 0 {
		m.compareLooks(t, c)
	}
}

// noteRead remembers that the file in a slot may have been read, under the id
// that both sides then have for it.
func (m *model) noteRead(slot int) {
	m.owner.do(func() {
		for _, s := range m.sides() {
			var st unix.Stat_t
			if unix.Fstat(s.fds[slot], &st) == nil {
				m.read[s.id(st.Ino)] = true
			}
		}
	})
}

// noteVague remembers the directories that a call may have stamped vaguely.
func (m *model) noteVague(c call) {
	if !c.vague {
		return
	}
	for _, p := range c.places {
		up, _ := parent(p)
		m.owner.do(func() {
			for _, s := range m.sides() {
				var st unix.Stat_t
				if unix.Fstatat(s.dir(up), up.path, &st, 0) == nil {
					m.vague[s.id(st.Ino)] = true
				}
			}
		})
	}
}

// compareLooks looks at what a call was about, and at what holds it.
func (m *model) compareLooks(t *rapid.T, c call) {
	for _, p := range c.places {
		m.compareLook(t, p.String(), func(s *side) look { return s.lookAt(p) },
			func(s *side) error { return touch(s.dir(p), p.path, unix.AT_SYMLINK_NOFOLLOW) })
		if up, ok := parent(p); ok {
			m.compareLook(t, up.String(), func(s *side) look { return s.lookAt(up) },
				func(s *side) error { return touch(s.dir(up), up.path, unix.AT_SYMLINK_NOFOLLOW) })
		}
	}
	for _, slot := range c.slots {
		m.compareLook(t, fmt.Sprintf("slot %d", slot), func(s *side) look { return s.lookAtSlot(slot) },
			func(s *side) error { return touch(s.fds[slot], "", unix.AT_EMPTY_PATH) })
	}
}

// parent is the directory that the last part of a place is in.
func parent(p place) (place, bool) {
	path := strings.TrimRight(p.path, "/")
	if path == "" {
		return place{}, false
	}
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return place{p.slot, path[:i+1]}, true
	}
	return place{p.slot, "."}, true
}

// touch sets the atime of a file to the present.
func touch(dir int, path string, flags int) error {
	return unix.UtimesNanoAt(dir, path, []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_OMIT}}, flags)
}

// compareLook looks at one file on both sides. After a tolerated difference of
// atime, level makes both sides the same again.
func (m *model) compareLook(t *rapid.T, what string, at func(*side) look, level func(*side) error) {
	var looks [2]look
	m.owner.do(func() { looks[0], looks[1] = at(m.tmpfs), at(m.safetmp) })
	want, got := looks[0], looks[1]
	if !m.sameLook(want, got) {
		t.Fatalf("%s:\n  tmpfs   %s\n  safetmp %s", what, want.text, got.text)
	}
	maybeRead := m.read[want.id]
	delete(m.read, want.id)
	delete(m.vague, want.id)
	if want.atime == got.atime {
		return
	}
	if key := atimeDifference(want.kind); !maybeRead || want.atime != "now" || !tolerated("model", key) {
		t.Fatalf("%s: atime, may have been read: %v\n  tmpfs   %s %s\n  safetmp %s %s", what, maybeRead,
			want.atime, want.text, got.atime, got.text)
	}
	m.owner.do(func() {
		for _, s := range m.sides() {
			assert.NoError(t, level(s))
			at(s)
		}
	})
}

func atimeDifference(kind uint32) string {
	if kind == unix.S_IFDIR {
		return "atime of a listing"
	}
	return "atime of a read"
}

// sameLook compares two looks, but for atime. Where tmpfs cannot tell two
// changes of a time within one tick apart, safetmp may show a change that tmpfs
// does not.
func (m *model) sameLook(want, got look) bool {
	if want.text == got.text {
		return true
	}
	if m.fine && !m.vague[want.id] || strings.Count(want.text, "*") > strings.Count(got.text, "*") {
		return false
	}
	return strings.ReplaceAll(want.text, "*", "") == strings.ReplaceAll(got.text, "*", "")
}
