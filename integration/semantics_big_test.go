//go:build linux

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// TestListingWhileEntriesComeAndGo lists a large directory, in a root and
// below it, while another thread makes and removes entries: each entry that
// was there all the time is listed exactly once, whatever cookies the kernel
// goes back to, and what follows a cookie is what followed it before. A soak has
// a million of them.
func TestListingWhileEntriesComeAndGo(t *testing.T) {
	counts := map[string]int{placeRoot: 200_000, placeBelow: 30_000}
	if hosttest.Race {
		counts = map[string]int{placeRoot: 20_000, placeBelow: 10_000}
	}
	words := "size=1g,nr_inodes=1m"
	if soak {
		counts[placeRoot], words = 1_000_000, "size=3g,nr_inodes=2m"
	}
	limitTest(t, words, func(t *testing.T, s *subject) {
		below := s.mkdir(t, "below")
		listWhileChanging(t, s, counts[placeRoot])
		listWhileChanging(t, &subject{kind: s.kind, dir: below}, counts[placeBelow])
	})
}

func listWhileChanging(t *testing.T, s *subject, count int) {
	t.Helper()
	for i := range count {
		require.NoError(t, unix.Mknod(s.path(fmt.Sprint("entry", i)), unix.S_IFREG|0o600, 0))
	}
	fd := open(t, s.dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	all := readAll(t, fd, 1<<16)
	survivors, doomed := split(all)
	require.InDelta(t, count, len(survivors)+len(doomed), 1)

	var stop atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() { assert.NoError(t, as(user(), func() error { return churn(s.dir, doomed, &stop) })) })
	seekWhileChanging(t, fd, all, survivors)
	_, err := unix.Seek(fd, 0, unix.SEEK_SET)
	assert.NoError(t, err)
	times := map[string]int{}
	for _, entry := range readAll(t, fd, 4096) {
		times[entry.name]++
	}
	stop.Store(true)
	wait.Wait()
	missed, twice := 0, 0
	for _, name := range survivors {
		switch times[name] {
		case 0:
			missed++
		case 1:
		default:
			twice++
		}
	}
	assert.Zero(t, missed, "of %d entries that stayed were not listed", len(survivors))
	assert.Zero(t, twice, "of %d entries that stayed were listed twice", len(survivors))
}

// seekWhileChanging goes back to cookies of a former listing (telldir(3),
// seekdir(3)): the first entry after one that stayed all the time is what it was.
func seekWhileChanging(t *testing.T, fd int, all []dirent, survivors []string) {
	t.Helper()
	stays := map[string]bool{}
	for _, name := range survivors {
		stays[name] = true
	}
	firstStaying := func(entries []dirent) string {
		i := slices.IndexFunc(entries, func(e dirent) bool { return stays[e.name] })
		if i < 0 {
			return "none"
		}
		return entries[i].name
	}
	wrong := 0
	pick := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		at := pick.IntN(len(all) - 10)
		_, err := unix.Seek(fd, all[at].off, unix.SEEK_SET)
		assert.NoError(t, err)
		entries, err := getdents(fd, 4096)
		assert.NoError(t, err)
		if firstStaying(all[at+1:]) != firstStaying(entries) {
			wrong++
		}
	}
	assert.Zero(t, wrong, "of 300 cookies were followed by something else than before")
}

// split takes every third entry as one to be removed.
func split(entries []dirent) (survivors, doomed []string) {
	for i, entry := range entries {
		switch {
		case entry.kind != unix.DT_REG:
		case i%3 == 0:
			doomed = append(doomed, entry.name)
		default:
			survivors = append(survivors, entry.name)
		}
	}
	return survivors, doomed
}

// churn removes the doomed, from both ends, and makes new entries.
func churn(dir string, doomed []string, stop *atomic.Bool) error {
	for i := 0; i < len(doomed)/2 && !stop.Load(); i++ {
		for _, name := range []string{doomed[i], doomed[len(doomed)-1-i]} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("remove what was listed: %w", err)
			}
		}
		if err := unix.Mknod(filepath.Join(dir, fmt.Sprint("new", i)), unix.S_IFREG|0o600, 0); err != nil {
			return fmt.Errorf("make new: %w", err)
		}
	}
	return nil
}
