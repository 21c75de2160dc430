package suites

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// concurrent is one mount on which processes work at once.
type concurrent struct {
	name  string
	uids  []int
	words []string
	alone bool // no user may ever see what another wrote
}

// oftenAtOnce are the rows that every run has processes at once on; a soak has
// all of them.
var oftenAtOnce = []string{"private", "shared", "shared encrypted", "shared passthrough"}

// concurrents is the rows of this run, and a mount on which users are alone.
func concurrents() (all []concurrent) {
	for _, c := range matrix {
		if !soak && !slices.Contains(oftenAtOnce, c.name) {
			continue
		}
		uids := []int{root, root, root}
		if c.shared {
			uids = []int{root, alice, bob}
		}
		all = append(all, concurrent{c.name, uids, slices.Concat(words(posix), c.words), false})
	}
	return append(all, concurrent{"shared with names of one's own", []int{alice, bob, alice}, words("profile=tmpdir", "mode=1733", wholly), true})
}

// TestConcurrency lets several processes loose on the same names and files, then
// holds everything against everything: the tree against the store and the
// accounting, link counts against a walk, what the kernel has cached against
// what the daemon says.
func TestConcurrency(t *testing.T) {
	for _, c := range concurrents() {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c concurrent) run(t *testing.T) {
	m := mountChecked(t, spend(shortBound, longBound), append(c.words, "size=256m", "nr_inodes=100k")...)
	before, err := hosttest.UsageOf(m.dir)
	require.NoError(t, err)
	ops := 6_000
	if soak {
		ops = 300_000
	}
	done := c.work(t, m.dir, ops)
	t.Logf("%d processes: %v", len(c.uids), done)
	for _, w := range works {
		require.Positive(t, done[w.name], "%s never succeeded", w.name)
	}
	unix.Sync() // what was mapped changes times when the kernel writes it back
	m.check(t)
	for _, uid := range c.uids {
		require.NoError(t, act(uid, func() error { return checkWalk(m.dir, uid == root || !c.alone) }), "as %d", uid)
	}
	for _, uid := range c.uids {
		require.NoError(t, act(uid, func() error { return emptyOf(m.dir, c.alone) }), "as %d", uid)
	}
	m.check(t)
	hosttest.SettlesTo(t, m.dir, before)
}

// work runs the processes and adds up what succeeded.
func (c concurrent) work(t *testing.T, dir string, ops int) map[string]int {
	t.Helper()
	type result struct {
		out []byte
		err error
	}
	results := make(chan result)
	for seed, uid := range c.uids {
		cmd := helperCommand("worker", dir, fmt.Sprint(uid), fmt.Sprint(seed), fmt.Sprint(ops), fmt.Sprint(c.alone))
		cmd.Stderr = os.Stderr
		go func() {
			out, err := cmd.Output()
			results <- result{out, err}
		}()
	}
	sum := map[string]int{}
	for range c.uids {
		r := <-results
		require.NoError(t, r.err, "a worker")
		var done map[string]int
		require.NoError(t, json.Unmarshal(r.out, &done))
		for name, n := range done {
			sum[name] += n
		}
	}
	return sum
}

// seenInode is what a walk learns of one inode.
type seenInode struct {
	path  string
	nlink uint32
	links uint32 // entries, or for a directory 2 and its subdirectories
}

// checkWalk looks at everything below dir. Where the caller sees everything, link
// counts must be what was found. What the kernel says at once must be what the
// daemon says.
func checkWalk(dir string, everything bool) error {
	inodes := map[uint64]*seenInode{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if os.IsPermission(err) {
			everything = false
			return nil
		}
		if err != nil {
			return err
		}
		return noteInode(inodes, path)
	})
	if err != nil || !everything {
		return err
	}
	for ino, seen := range inodes {
		if seen.nlink != seen.links {
			return fmt.Errorf("inode %d at %s has %d links, not %d", ino, seen.path, seen.links, seen.nlink)
		}
	}
	return nil
}

func noteInode(inodes map[uint64]*seenInode, path string) error {
	st, err := bothStats(path)
	if err != nil {
		return err
	}
	seen := inodes[st.Ino]
	if seen == nil {
		seen = &seenInode{path: path, nlink: st.Nlink}
		inodes[st.Ino] = seen
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		seen.links++
		return nil
	}
	seen.links += 2
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			seen.links++
		}
	}
	if os.IsPermission(err) {
		return nil
	}
	return err
}

// bothStats compares what stat(2) tells, which the kernel may have cached, with
// what the daemon answers.
func bothStats(path string) (unix.Statx_t, error) {
	var cached, fresh unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &cached); err != nil {
		return fresh, fmt.Errorf("statx %s: %w", path, err)
	}
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &fresh); err != nil {
		return fresh, fmt.Errorf("statx %s: %w", path, err)
	}
	if a, b := gist(&cached), gist(&fresh); a != b {
		return fresh, fmt.Errorf("%s: stat tells  %s\nthe daemon has %s", path, a, b)
	}
	return fresh, nil
}

// gist is what a cache must not be wrong about. The kernel caches atime by rules
// of its own.
func gist(st *unix.Statx_t) string {
	return fmt.Sprintf("mode=%o nlink=%d %d:%d size=%d blocks=%d mtime=%d.%09d ctime=%d.%09d", st.Mode, st.Nlink, st.Uid, st.Gid, st.Size,
		st.Blocks, st.Mtime.Sec, st.Mtime.Nsec, st.Ctime.Sec, st.Ctime.Nsec)
}

// emptyOf removes what the caller may remove: what is listed, or where only the
// owner of the folder may list it, every name that a worker uses. Where every
// user is alone, all of it must go.
func emptyOf(dir string, alone bool) error {
	names := workNames
	if entries, err := os.ReadDir(dir); err == nil {
		names = nil
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		if err := removeNamed(filepath.Join(dir, name)); err != nil && alone {
			return err
		}
	}
	return nil
}

// removeNamed is os.RemoveAll without listing the directory that path is in.
func removeNamed(path string) error {
	err := os.Remove(path)
	if err == nil || os.IsNotExist(err) {
		return nil
	}
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(path)
}
