package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/bench"
	"safetmp/internal/hosttest"
)

// The runner starts this binary for each cell.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerWord {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// installable are the modes that any machine with root and Debian's packages
// has; the others depend on the kernel, or on a path that is given.
var installable = []string{"tmpfs", "safetmp", "safetmp-encrypted", "safetmp-checked", "safetmp-shared", "gocryptfs", "encfs", "securefs", "go-fuse-memfs"}

// TestSmoke mounts every mode and measures every row once, so shortly that the
// figures mean nothing, and holds the program to leaving nothing behind.
func TestSmoke(t *testing.T) {
	hosttest.NeedRoot(t, "to mount tmpfs")
	out := t.TempDir()
	buildInto(t, out, "safetmp", "./cmd/safetmp")
	buildInto(t, out, "memfs", "github.com/hanwen/go-fuse/v2/example/memfs")
	before := mounts(t)
	document, err := os.ReadFile("../../docs/performance.md")
	require.NoError(t, err)
	doc := out + "/performance.md"
	require.NoError(t, os.WriteFile(doc, document, 0o600))
	var stdout, stderr bytes.Buffer
	code := run([]string{"-scale", "smoke", "-out", out, "-doc", doc, "-safetmp", out + "/safetmp", "-memfs", out + "/memfs"}, nil, &stdout, &stderr)
	require.Zero(t, code, "%s", stderr.String())
	assert.Equal(t, before, mounts(t), "mounts afterwards")
	assert.Contains(t, stdout.String(), "create4k/1")
	svg, err := os.ReadFile(out + "/performance.svg")
	require.NoError(t, err)
	assert.Contains(t, string(svg), "</svg>")
	result := readResult(t, out)
	everyRowHasANumber(t, result)
	isOf(t, result, document, doc)
}

// isOf holds that a document has the figures of this result and of no other, and
// beside them what was written by hand.
func isOf(t *testing.T, result bench.Result, former []byte, path string) {
	t.Helper()
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	var part bytes.Buffer
	require.NoError(t, result.WriteMarkdown(&part))
	want, err := bench.Splice(former, part.Bytes())
	require.NoError(t, err)
	assert.Equal(t, string(want), string(written))
	for _, mode := range bench.Modes() {
		_, skipped := result.Skipped[mode.Name]
		assert.True(t, skipped || slices.Contains(result.Modes, mode.Name), mode.Name)
		assert.Contains(t, part.String(), mode.Name)
	}
}

func everyRowHasANumber(t *testing.T, result bench.Result) {
	t.Helper()
	for _, mode := range installable {
		if why, skipped := result.Skipped[mode]; skipped {
			assert.False(t, hosttest.InCI(), "CI may not skip %s: %s", mode, why)
		}
	}
	require.Contains(t, result.Modes, "safetmp")
	require.NotEmpty(t, result.Series)
	for _, s := range result.Series {
		assert.Empty(t, s.Error, "%s in %s", s.Figure.Name, s.Mode)
		assert.NotEmpty(t, s.Values, "%s in %s", s.Figure.Name, s.Mode)
		for _, v := range s.Values {
			assert.False(t, math.IsNaN(v) || math.IsInf(v, 0), "%s in %s: %v", s.Figure.Name, s.Mode, v)
		}
	}
}

func readResult(t *testing.T, dir string) (result bench.Result) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "performance.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &result))
	return result
}

func buildInto(t *testing.T, dir, name, pkg string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
	cmd.Dir = "../.."
	report, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", report)
}

// mounts counts the mounts of benchmarks.
func mounts(t *testing.T) int {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	return bytes.Count(table, []byte("safetmp-bench-"))
}

func TestFlags(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 2, run([]string{"-nonsense"}, nil, &stdout, &stderr))
	assert.Equal(t, 1, run([]string{"-scale", "giant"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), `there is no scale "giant"`)
	stderr.Reset()
	assert.Equal(t, 1, run([]string{"-safetmp", "/nowhere/safetmp"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "/nowhere/safetmp")
}
