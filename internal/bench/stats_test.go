package bench

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	assert.Equal(t, 2.0, Median([]float64{3, 1, 2}))
	assert.Equal(t, 2.5, Median([]float64{4, 1, 3, 2}))
	assert.Equal(t, 7.0, Median([]float64{7}))
	assert.True(t, math.IsNaN(Median(nil)))
	unsorted := []float64{3, 1, 2}
	Median(unsorted)
	assert.Equal(t, []float64{3, 1, 2}, unsorted, "the rounds stay in their order")
}

func TestSpread(t *testing.T) {
	assert.Equal(t, 4.0, Spread([]float64{2, 1, 4}))
	assert.Equal(t, 1.0, Spread([]float64{5}))
	assert.True(t, math.IsInf(Spread([]float64{0, 1}), 1))
	assert.True(t, math.IsNaN(Spread(nil)))
}

func TestRatio(t *testing.T) {
	assert.Equal(t, 2.0, Ratio(200, 100, false))
	assert.Equal(t, 2.0, Ratio(1, 2, true), "half the time is twice as good")
	assert.True(t, math.IsNaN(Ratio(1, 0, false)))
	assert.True(t, math.IsNaN(Ratio(math.NaN(), 1, false)))
}

// sample is a result of two modes and a command.
func sample() *Result {
	rate := Figure{Name: "create4k/1", Unit: "ops/s"}
	spent := Figure{Name: rowRun, Unit: "s", Lower: true}
	return &Result{
		Rounds: 3, Modes: []string{"tmpfs", "safetmp", "gocryptfs"}, Skipped: map[string]string{"encfs": "not here: no such program"},
		Series: []Series{
			{Figure: rate, Mode: "tmpfs", Values: []float64{100, 200, 300}},
			{Figure: rate, Mode: "safetmp", Values: []float64{100, 90, 110}},
			{Figure: rate, Mode: "gocryptfs", Error: "it broke"},
			{Figure: spent, Mode: "safetmp", Values: []float64{0.030}},
			{Figure: spent, Mode: "bwrap", Values: []float64{0.020}},
		},
	}
}

func TestResultRatios(t *testing.T) {
	r := sample()
	assert.Equal(t, 0.5, r.ratio("create4k/1", "safetmp", "tmpfs"))
	assert.InDelta(t, 2/3., r.ratio(rowRun, "safetmp", "bwrap"), 1e-9)
	assert.True(t, math.IsNaN(r.ratio("create4k/1", "encfs", "tmpfs")))
	assert.True(t, math.IsNaN(r.ratio("create4k/1", "gocryptfs", "tmpfs")))
}

func TestVerdicts(t *testing.T) {
	met := map[string]string{}
	for _, v := range sample().verdicts() {
		met[v.figure+" "+v.mode+" "+v.against] = held(v.ratio, v.factor, true)
	}
	assert.Equal(t, "yes", met["run-true safetmp bwrap"])
	assert.Equal(t, "not measured", met["create4k/1 safetmp go-fuse-memfs"])
	assert.Equal(t, "**no**", held(1.2, 1.10, false))
	assert.Equal(t, "yes", held(1.10, 1.10, false))
	assert.Equal(t, "yes", held(2001, 2000, true))
	assert.Equal(t, "**no**", held(1999, 2000, true))
}

// TestTargetsNameWhatIsMeasured: a row or mode that is renamed would leave a
// target unmeasured without a word.
func TestTargetsNameWhatIsMeasured(t *testing.T) {
	figures, modes := map[string]bool{rowRun: true}, map[string]bool{"bwrap": true}
	for _, row := range rows(Scale{Entries: 10, Growth: 1000, Big: 1 << 20}) {
		for _, f := range row.Figures {
			require.False(t, figures[f.Name], "two figures %q", f.Name)
			figures[f.Name] = true
		}
	}
	for _, m := range Modes() {
		modes[m.Name] = true
	}
	for _, v := range sample().verdicts() {
		assert.True(t, figures[v.figure], "figure %q", v.figure)
		assert.True(t, modes[v.mode] && modes[v.against], "modes %q and %q", v.mode, v.against)
	}
	for _, b := range bounds {
		assert.True(t, figures[b.figure] && modes[b.mode], "%q in %q", b.figure, b.mode)
	}
	for _, p := range palette {
		assert.True(t, modes[p.mode], "colour of %q", p.mode)
	}
}

func TestReports(t *testing.T) {
	r := sample()
	var text, markdown, svg, stat bytes.Buffer
	require.NoError(t, r.WriteText(&text))
	assert.Contains(t, text.String(), "100 (0.50)")
	assert.Contains(t, text.String(), "failed")
	require.NoError(t, r.WriteMarkdown(&markdown))
	assert.Contains(t, markdown.String(), "| create4k/1 | ops/s | 200 | 100 (0.50) | failed | - | 3.00 |")
	assert.Contains(t, markdown.String(), "| run-true | s | - | 30 ms | - | 20 ms |")
	assert.Contains(t, markdown.String(), "- encfs: not here: no such program.")
	assert.Contains(t, markdown.String(), "- create4k/1 in gocryptfs failed: it broke")
	require.NoError(t, r.WriteSVG(&svg))
	assert.Contains(t, svg.String(), "safetmp 0.50")
	assert.NotContains(t, svg.String(), rowRun, "what tmpfs does not have has no ratio")
	require.NoError(t, r.WriteBenchmarks(&stat, "safetmp"))
	assert.Contains(t, stat.String(), "BenchmarkCreate4k/threads=1 1 90 ops/s\n")
	assert.Contains(t, stat.String(), "BenchmarkRunTrue 1 3e+07 ns/op\n")
}

func TestSplice(t *testing.T) {
	doc := "before\n" + beginMark + "old\n" + endMark + "after\n"
	out, err := Splice([]byte(doc), []byte("new\n"))
	require.NoError(t, err)
	assert.Equal(t, "before\n"+beginMark+"new\n"+endMark+"after\n", string(out))
	_, err = Splice([]byte("nothing"), nil)
	require.Error(t, err)
}

func TestNumbered(t *testing.T) {
	p := numbered("dir/f")
	p.setNumber(1234)
	assert.Equal(t, "dir/f00001234\x00", string(p))
	p.setNumber(7)
	assert.Equal(t, "dir/f00000007\x00", string(p), "no digits stay")
}

func TestNextSize(t *testing.T) {
	assert.EqualValues(t, 1<<30, nextSize(1<<20))
	assert.EqualValues(t, 10<<30, nextSize(1<<30))
}

// TestListAll counts what a directory has, on the host's own filesystem.
func TestListAll(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", strings.Repeat("c", 200)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, listAll(dir, 3, true))
	require.ErrorContains(t, listAll(dir, 4, false), "3 entries listed of 4")
}

func TestArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree.tar")
	require.NoError(t, writeArchive(path, 100))
	dir := t.TempDir()
	figures, err := unpackAndRemove(&work{dir: dir, tar: path})
	require.NoError(t, err)
	assert.Len(t, figures, 2)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestTargetsArePlotted: the plot shows every mode of the report that a target
// is about.
func TestTargetsArePlotted(t *testing.T) {
	for _, mode := range Modes()[1:] {
		about := slices.ContainsFunc(targets, func(t target) bool { return t.mode == mode.Name || t.against == mode.Name })
		plotted := slices.ContainsFunc(palette, func(p struct{ mode, colour string }) bool { return p.mode == mode.Name })
		assert.True(t, plotted || !about, mode.Name)
	}
}
