package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parent opens a parent of the test's own and removes it again.
func parent(t *testing.T) *Parent {
	t.Helper()
	p, err := Open(DefaultRoot, fmt.Sprintf("/safetmp-test-%d", os.Getpid()))
	if err != nil {
		t.Skipf("needs a memory cgroup hierarchy that may be changed: %v", err)
	}
	t.Cleanup(func() {
		for _, name := range p.Names() {
			assert.NoError(t, p.Remove(name))
		}
		p.Close()
		assert.NoDirExists(t, p.dir)
	})
	return p
}

func TestGroupHoldsAProcessAndIsRemoved(t *testing.T) {
	p := parent(t)
	require.NoError(t, p.Make("a.b", 64<<20))
	assert.Equal(t, []string{"a.b"}, p.Names())
	sleeper := exec.Command("sleep", "60")
	require.NoError(t, sleeper.Start())
	t.Cleanup(func() { _ = sleeper.Process.Kill() })
	require.NoError(t, p.Add("a.b", sleeper.Process.Pid))
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", sleeper.Process.Pid))
	require.NoError(t, err)
	assert.Contains(t, string(own), "/vol-a.b")

	require.NoError(t, p.Remove("a.b"), "a group whose process does not end")
	assert.Error(t, sleeper.Wait(), "the process was killed")
	assert.Empty(t, p.Names())
	assert.NoError(t, p.Remove("a.b"), "a group that is gone")
	p.Close()
	require.NoError(t, p.Make("b", 64<<20), "the parent was removed, since it was empty")
}

// A container's processes are in its groups in every hierarchy, and its end is the end of all that are in one of them.
func TestProcessLeavesTheGroupsOfItsStarter(t *testing.T) {
	p := parent(t)
	if p.unified {
		t.Skip("the unified hierarchy is the only one")
	}
	require.NotEmpty(t, p.others, "there are hierarchies beside that of memory")
	require.NoError(t, p.Make("v", 64<<20))
	sleeper := exec.Command("sleep", "60")
	require.NoError(t, sleeper.Start())
	t.Cleanup(func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	})
	starters := fmt.Sprintf("safetmp-starter-%d", os.Getpid())
	moved := 0
	for _, root := range p.others {
		dir := filepath.Join(root, starters)
		require.NoError(t, os.Mkdir(dir, 0o755))
		t.Cleanup(func() { assert.NoError(t, os.Remove(dir)) })
		if write(dir, processesFile, fmt.Sprint(sleeper.Process.Pid)) == nil { // cpuset takes none before it has a processor
			moved++
		}
	}
	groups := func() string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", sleeper.Process.Pid))
		require.NoError(t, err)
		return string(text)
	}
	require.Positive(t, moved)
	require.Equal(t, moved, strings.Count(groups(), starters))
	require.NoError(t, p.Add("v", sleeper.Process.Pid))
	assert.NotContains(t, groups(), starters)
	assert.Contains(t, groups(), "/vol-v")
}

func TestLimitHolds(t *testing.T) {
	p := parent(t)
	const limit = 32 << 20
	require.NoError(t, p.Make("v", limit))
	require.NoError(t, p.Make("v", limit), "the group is there already")
	// The shell reads a line before it takes memory, so that it is in the group by then.
	hog := exec.Command("sh", "-c", "read go; head -c 100000000 /dev/zero | tail")
	in, err := hog.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, hog.Start())
	require.NoError(t, p.Add("v", hog.Process.Pid))
	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	assert.Error(t, hog.Wait(), "100 MB within 32 MiB and without swap")
}

func TestNamesStayBelowTheParent(t *testing.T) {
	p := &Parent{dir: "/sys/fs/cgroup/memory/x"}
	for _, name := range []string{"..", "../y", "/", "a/../../b", "memory.max"} {
		assert.True(t, strings.HasPrefix(p.group(name), p.dir+"/"+prefix), p.group(name))
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, parent := range []string{"", "/", "x", "/a/..", "/a//b", "/a/"} {
		_, err := Open(DefaultRoot, parent)
		assert.ErrorIs(t, err, ErrName, parent)
	}
	empty := t.TempDir()
	_, err := Open(empty, "/x")
	assert.ErrorIs(t, err, ErrNone)
	// A unified hierarchy without the controller.
	require.NoError(t, os.WriteFile(filepath.Join(empty, "cgroup.controllers"), []byte("cpu pids\n"), 0o600))
	_, err = Open(empty, "/x")
	assert.ErrorIs(t, err, ErrNone)
}
