package suites

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// stressors are those of stress-ng that work on files in a folder of their own:
// its class filesystem without what has nothing to do with the folder, and what
// else does I/O on files.
var stressors = strings.Fields(`
	access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dnotify dup fallocate fanotify fcntl fiemap file-ioctl
	filename flock fpunch fsize fstat getdent handle hdd inode-flags inotify io iomix lease link locka lockf lockofd mknod open
	rename symlink sync-file touch utime verity xattr
	aio aiol chroot fault io-uring metamix mmap msync readahead revio seek sendfile splice`)

// stressSizes make a batch fit into its filesystem. The default of iomix is 1 GiB.
var stressSizes = words("--iomix-bytes", "16m", "--hdd-bytes", "16m", "--mmap-bytes", "8m", "--mmap-file")

// stressBatch is how many stressors run at once in CI, and how long. A soak runs
// fewer at once, for longer.
const (
	stressBatch  = 8
	stressLength = 2 * time.Second
)

// TestStress runs the stressors with verification on tmpfs and, at the same
// time, on safetmp. What fails on tmpfs too is not held against safetmp, but has
// to be in the table of differences, as has what is left out on one of the two.
func TestStress(t *testing.T) {
	program := hosttest.NeedProgram(t, "stress-ng")
	known := knownStressors(t, program)
	var batches [][]string
	size, length := stressBatch, stressLength
	if soak {
		size, length = stressBatch/2, 5*time.Second
	}
	for batch := range slices.Chunk(known, size) {
		batches = append(batches, batch)
	}
	oracle := mountTmpfs(t, "size=1g,mode=1777")
	for _, c := range rowsToRun() {
		if !c.shared && !soak {
			continue // stress-ng acts as several users in places
		}
		t.Run(c.name, func(t *testing.T) {
			subject := c.mountRow(t, posix, "size=1g", "nr_inodes=1m")
			var tmpfs, safetmp tallies
			for _, batch := range batches {
				other := make(chan tallies)
				go func() { other <- runStress(program, oracle, length, batch) }()
				safetmp.add(runStress(program, subject.dir, length, batch))
				tmpfs.add(<-other)
			}
			compareStress(t, known, tmpfs, safetmp)
			subject.check(t)
		})
	}
}

// knownStressors leaves out those that this version of stress-ng lacks.
func knownStressors(t *testing.T, program string) []string {
	t.Helper()
	out, err := exec.Command(program, "--stressors").Output()
	require.NoError(t, err)
	all := strings.Fields(string(out))
	known := slices.DeleteFunc(slices.Clone(stressors), func(name string) bool { return !slices.Contains(all, name) })
	require.Greater(t, len(known), len(stressors)*4/5, "stressors that this stress-ng knows")
	return known
}

// tallies are the results of stressors.
type tallies struct {
	failed  map[string]string // the first complaint of each
	skipped map[string]string
	broken  []string // runs that ended otherwise
}

func (a *tallies) add(b tallies) {
	if a.failed == nil {
		a.failed, a.skipped = map[string]string{}, map[string]string{}
	}
	for name, text := range b.failed {
		a.failed[name] = text
	}
	for name, text := range b.skipped {
		a.skipped[name] = text
	}
	a.broken = append(a.broken, b.broken...)
}

// runStress runs one batch in a folder of its own.
func runStress(program, dir string, length time.Duration, batch []string) tallies {
	result := tallies{failed: map[string]string{}, skipped: map[string]string{}}
	work := filepath.Join(dir, "stress")
	if err := os.Mkdir(work, 0o777); err != nil {
		result.broken = append(result.broken, err.Error())
		return result
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute+length)
	defer cancel()
	args := append(slices.Clone(stressSizes), "--verify", "--timeout", fmt.Sprint(int(length.Seconds()), "s"), "--temp-path", work)
	for _, name := range batch {
		args = append(args, "--"+name, "1")
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	out, err := cmd.CombinedOutput()
	result.read(out, batch)
	if err != nil && len(result.failed) == 0 && len(result.skipped) == 0 {
		result.broken = append(result.broken, fmt.Sprintf("%v: %v\n%s", batch, err, out))
	}
	if err := os.RemoveAll(work); err != nil {
		result.broken = append(result.broken, err.Error())
	}
	return result
}

// read finds complaints in what stress-ng prints:
//
//	stress-ng: fail:  [42] name: what was wrong
//	stress-ng: info:  [42] name: ... skipping stressor
func (a *tallies) read(out []byte, batch []string) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		_, text, ok := strings.Cut(lines.Text(), "] ")
		name, what, named := strings.Cut(text, ": ")
		if !ok || !named || !slices.Contains(batch, name) {
			continue
		}
		bad := strings.Contains(lines.Text(), "fail: ") || strings.Contains(lines.Text(), "error: ")
		switch {
		case strings.Contains(what, "skipping"):
			a.skipped[name] = what
		case bad && a.failed[name] == "":
			a.failed[name] = what
		}
	}
}

// compareStress holds the two results against each other.
func compareStress(t *testing.T, names []string, tmpfs, safetmp tallies) {
	t.Helper()
	assert.Empty(t, tmpfs.broken)
	assert.Empty(t, safetmp.broken)
	t.Logf("%d stressors: tmpfs %s, safetmp %s", len(names), tmpfs.counts(len(names)), safetmp.counts(len(names)))
	for _, name := range names {
		if bad := safetmp.failed[name]; bad != "" {
			assert.True(t, tolerated("stress", name), "%s fails: %s (on tmpfs: %q)", name, bad, tmpfs.failed[name])
		}
		if left := safetmp.skipped[name]; left != "" {
			assert.True(t, tolerated("stress", name), "%s is left out: %s", name, left)
		}
	}
}

func (a tallies) counts(all int) string {
	return fmt.Sprintf("%d passed, %d failed, %d not possible", all-len(a.failed)-len(a.skipped), len(a.failed), len(a.skipped))
}
