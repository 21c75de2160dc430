package fs

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
)

// What an empty file may take of the process, names, tables and what the
// collector leaves lying included (bytes); and how long the collector may stop
// everything, in the median of its cycles, since others use the processors too.
const (
	mostPerFile = 500
	mostPause   = 5 * time.Millisecond
)

// perFolder is how the files are spread.
const perFolder = 1000

// TestManyEmptyFiles: files are made and held by the kernel, some are looked up,
// folders are listed, and all are removed. In a soak there are ten million of
// them, and what they take of memory and time is bounded.
func TestManyEmptyFiles(t *testing.T) {
	folders := 20
	if os.Getenv("SOAK") != "" {
		folders = 10_000
	}
	files := int64(folders * perFolder)
	defer debug.SetGCPercent(debug.SetGCPercent(25)) // as in the daemon
	limits := memstore.Config{Limit: 16 << 30, Inodes: files + int64(folders) + 1}
	k := newKernelLimited(t, limits, "compat")
	debug.FreeOSMemory()
	before, began, collector := ownRSS(t), time.Now(), readCollector()

	ids := make([]uint64, folders)
	for i := range ids {
		ids[i] = k.must(k.mkdir(alice, fuse.FUSE_ROOT_ID, fmt.Sprint("folder", i)))
		k.fillFolder(ids[i])
	}
	took, pauses := (ownRSS(t)-before)/files, collector.pauses()
	t.Logf("%d files: %d bytes and %v each", files, took, time.Since(began)/time.Duration(files))
	require.Equal(t, files+int64(folders), k.f.Entries())
	if plainBuild && os.Getenv("SOAK") != "" {
		assert.LessOrEqual(t, took, int64(mostPerFile))
		assert.LessOrEqual(t, pauses[len(pauses)/2], mostPause)
		t.Logf("%d collections, pauses of %v in the median and %v at most", len(pauses), pauses[len(pauses)/2], pauses[len(pauses)-1])
	}
	for i := 0; i < folders; i += max(folders/100, 1) {
		assert.Len(t, k.names(alice, ids[i]), perFolder)
	}
	began = time.Now()
	for i, id := range ids {
		k.emptyFolder(id)
		require.Zero(t, k.rmdir(alice, fuse.FUSE_ROOT_ID, fmt.Sprint("folder", i)))
		k.forget(id)
	}
	assert.Zero(t, k.f.Entries())
	removed := time.Since(began) / time.Duration(files)
	debug.FreeOSMemory()
	t.Logf("%v to remove one, %d bytes each stay", removed, (ownRSS(t)-before)/files)
}

// fillFolder makes perFolder files.
func (k *kernel) fillFolder(dir uint64) {
	for n := range perFolder {
		var out fuse.EntryOut
		in := fuse.MknodIn{InHeader: header(alice, dir), Mode: syscall.S_IFREG | 0o600}
		require.Equal(k.t, fuse.OK, k.f.Mknod(nil, &in, "file"+strconv.Itoa(n), &out))
	}
}

// emptyFolder looks up and removes what fillFolder made.
func (k *kernel) emptyFolder(dir uint64) {
	for n := range perFolder {
		name := "file" + strconv.Itoa(n)
		h, out := header(alice, dir), fuse.EntryOut{}
		require.Equal(k.t, fuse.OK, k.f.Lookup(nil, &h, name, &out))
		require.Zero(k.t, k.unlink(alice, dir, name))
		k.f.Forget(out.NodeId, 2)
	}
}

// collector is how often the collector had run.
type collector struct{ cycles int64 }

func readCollector() collector {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	return collector{s.NumGC}
}

// pauses lists how long everything stood still in the last cycles since then,
// shortest first.
func (c collector) pauses() []time.Duration {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	return slices.Sorted(slices.Values(s.Pause[:min(int64(len(s.Pause)), s.NumGC-c.cycles)]))
}

// ownRSS is what this process takes of memory, in bytes.
func ownRSS(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	require.NoError(t, err)
	return kib << 10
}
