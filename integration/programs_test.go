//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

//go:embed testdata/programs/*.sh
var scripts embed.FS

// program is a script of real programs that work in their TMPDIR. It prints
// lines "key: value"; tmpfs says what the values are.
type program struct {
	needs []string
	bound time.Duration // on each subject
	links bool          // it needs symbolic links: profile compat
}

var programs = map[string]program{
	"gcc":      {needs: []string{"gcc", "make"}, bound: time.Minute},
	"go":       {needs: []string{"go"}, bound: 3 * time.Minute},
	"tempfile": {needs: []string{"python3"}},
	"sqlite":   {needs: []string{"sqlite3"}},
	"sort":     {needs: []string{"sort", "gzip"}},
	"git":      {needs: []string{"git"}},
	"tar":      {needs: []string{"tar", "gzip"}},
	"sockets":  {needs: []string{"python3"}},
	"fifo":     {needs: []string{"mkfifo"}},
	"mmap":     {needs: []string{"python3"}},
	"locks":    {needs: []string{"flock", "python3"}},
	"rename":   {needs: []string{"python3"}},
	"edit":     {needs: []string{"vim", "sed", "perl"}},
	"shell":    {needs: []string{"mktemp", "install"}},
	"venv":     {needs: []string{"python3"}, links: true},
	"npm":      {needs: []string{"node", "npm"}, links: true, bound: 2 * time.Minute},
	"gitlinks": {needs: []string{"git", "tar"}, links: true},
}

// TestPrograms runs each script in the root of a tmpfs and of a private mount.
func TestPrograms(t *testing.T) {
	oracle := subject{kind: kindOracle, top: mountOracle(t, 0o700, "size=1g")}
	subjects := map[bool][]subject{false: {oracle}, true: {oracle}}
	if !*oracleOnly {
		for links, words := range map[bool][]string{false: {"size=1g"}, true: {"size=1g", "profile=compat"}} {
			m := mountTest(t, options(words...), bound(5*testBound))
			subjects[links] = append(subjects[links], subject{kind: kindPrivate, top: m.dir})
		}
	}
	var names []string
	for name := range programs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { compareProgram(t, name, subjects[programs[name].links]) })
	}
}

// compareProgram runs one script on tmpfs, then elsewhere, and compares what
// it said, key by key, through the table of differences.
func compareProgram(t *testing.T, name string, subjects []subject) {
	for _, need := range programs[name].needs {
		needProgram(t, need)
	}
	want := runProgram(t, name, &subjects[0])
	require.NotEmpty(t, want.keys, "the script said nothing")
	for _, s := range subjects[1:] {
		s.test, s.place, s.dir = name, placeRoot, s.top
		forget(name)
		got := runProgram(t, name, &s)
		assert.Equal(t, want.keys, got.keys, "what was said")
		for _, key := range want.keys {
			s.see(t, key, want.values[key], got.values[key])
		}
		assert.Empty(t, unseen(name, placeRoot), "listed differences that did not occur")
	}
}

// said is what a script printed.
type said struct {
	keys   []string
	values map[string]string
}

// runProgram runs one script as an ordinary user with its TMPDIR on s, and
// checks that removing what is listed afterwards gives everything back.
func runProgram(t *testing.T, name string, s *subject) said {
	t.Helper()
	work := filepath.Join(suite.Base, "m", fmt.Sprint("work-", name, "-", s.kind))
	require.NoError(t, os.Mkdir(work, 0o700))
	require.NoError(t, os.Chown(work, user(), user()))
	defer func() { assert.NoError(t, os.RemoveAll(work)) }()
	var before hosttest.Usage
	require.NoError(t, as(user(), func() (err error) {
		before, err = hosttest.UsageOf(s.top)
		return err
	}))

	cmd := command(user(), needProgram(t, "bash"), "-c", preamble+script(t, name))
	cmd.Dir = work
	cmd.Env = programEnv(t, work, s.top)
	stdout, stderr, err := boundedRun(cmd, programs[name].limit())
	require.NoError(t, err, "%s on %s said:\n%s%s", name, s.kind, stdout, stderr)
	t.Run("leaves nothing on "+s.kind, func(t *testing.T) {
		become(t, user())
		empty(t, s.top)
		hosttest.SettlesTo(t, s.top, before)
	})
	return parseSaid(t, stdout)
}

// preamble makes every failure of a script one, and gives it its voice.
const preamble = `set -eu -o pipefail; umask 022
say() { echo "$1: $2"; }
`

func script(t *testing.T, name string) string {
	t.Helper()
	text, err := scripts.ReadFile("testdata/programs/" + name + ".sh")
	require.NoError(t, err)
	return string(text)
}

func (p program) limit() time.Duration {
	if p.bound == 0 {
		return time.Minute
	}
	return p.bound
}

// programEnv is the environment of a script: only what it needs, and the
// programs that every user can reach.
func programEnv(t *testing.T, work, tmp string) []string {
	t.Helper()
	shared := filepath.Join(suite.Base, "log")
	path := "/usr/local/bin:/usr/bin:/bin"
	if out, err := exec.Command("go", "env", "GOROOT").Output(); err == nil {
		path = filepath.Join(strings.TrimSpace(string(out)), "bin") + ":" + path
	}
	return []string{"PATH=" + path, "HOME=" + work, "WORK=" + work, "SHARED=" + shared, "TMPDIR=" + tmp,
		"LC_ALL=C.UTF-8", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
}

// boundedRun runs cmd and returns its two streams apart.
func boundedRun(cmd *exec.Cmd, limit time.Duration) (string, string, error) {
	var stderr bytes.Buffer
	var stdout lockedBuffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return "", "", err
	}
	timer := time.AfterFunc(limit, func() { killGroup(cmd, &stdout, limit) })
	defer timer.Stop()
	err := cmd.Wait()
	return string(stdout.bytes()), stderr.String(), err
}

func parseSaid(t *testing.T, text string) said {
	t.Helper()
	result := said{values: map[string]string{}}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		require.True(t, ok, "line %q is no key and value", lines.Text())
		_, twice := result.values[key]
		require.False(t, twice, "key %q said twice", key)
		result.keys = append(result.keys, key)
		result.values[key] = strings.TrimSpace(value)
	}
	return result
}
