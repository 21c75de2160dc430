//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// marker is sixteen random bytes that occur nowhere by chance. Contents are
// made of nothing else, so that any remnant of 31 bytes shows a whole one.
type marker [16]byte

func newMarker(t testing.TB) marker {
	t.Helper()
	var m marker
	_, err := rand.Read(m[:])
	require.NoError(t, err)
	return m
}

// fill is size bytes of the marker.
func (m marker) fill(size int) []byte {
	return bytes.Repeat(m[:], size/len(m)+1)[:size]
}

// finds counts the copies of each marker in a process, and says where.
type finds struct {
	copies map[marker]int
	where  map[string]int // by mapping
}

func (f finds) String() string {
	var lines []string
	for mapping, copies := range f.where {
		lines = append(lines, fmt.Sprintf("%6d copies in %s", copies, mapping))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// scan reads the memory of pid, every mapping of it, protected or not, as far
// as there are pages, and looks for the markers.
func scan(t testing.TB, pid int, markers ...marker) finds {
	t.Helper()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer memory.Close()
	pages, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	require.NoError(t, err)
	defer pages.Close()
	result := finds{copies: map[marker]int{}, where: map[string]int{}}
	read := 0
	for _, area := range areas(t, pid) {
		for _, run := range presentRuns(t, pages, area) {
			data := make([]byte, run.end-run.start)
			n, err := memory.ReadAt(data, int64(run.start))
			if err != nil && area.special() {
				continue
			}
			require.NoError(t, err, "%s at %x", area.name, run.start)
			read += n
			for _, m := range markers {
				if found := bytes.Count(data, m[:]); found > 0 {
					result.copies[m] += found
					result.where[area.name] += found
				}
			}
		}
	}
	require.Greater(t, read, 1<<20, "a scan that reads nothing finds nothing")
	return result
}

// area is a mapping, or a part of one. Addresses are bytes.
type area struct {
	start, end uint64
	name       string
}

// special says that the kernel gives the area without memory behind it, or to
// nobody but its process.
func (a area) special() bool {
	return strings.Contains(a.name, "[vvar") || strings.Contains(a.name, "[vsyscall]") || strings.Contains(a.name, "/dev/") || strings.Contains(a.name, secretArea)
}

// secretArea is the name of memory of memfd_secret(2).
const secretArea = "/secretmem"

// areas lists the mappings of pid that have any page.
func areas(t testing.TB, pid int) []area {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	require.NoError(t, err)
	defer file.Close()
	var all []area
	var last area
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		var start, end uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &start, &end); n == 2 {
			last = area{start, end, line}
		}
		if rss, ok := strings.CutPrefix(line, "Rss:"); ok && strings.TrimSpace(rss) != "0 kB" {
			all = append(all, last)
		}
	}
	require.NoError(t, lines.Err())
	return all
}

// presentRuns finds the pages of a that exist, in RAM or in swap, as runs: most
// of what a Go process maps was never touched.
func presentRuns(t testing.TB, pagemap *os.File, a area) []area {
	t.Helper()
	const pageSize, entrySize, batch = 4096, 8, 1 << 16
	var runs []area
	buf := make([]byte, batch*entrySize)
	for at := a.start; at < a.end; {
		count := min((a.end-at)/pageSize, batch)
		part := buf[:count*entrySize]
		if _, err := pagemap.ReadAt(part, int64(at/pageSize*entrySize)); err != nil {
			require.True(t, a.special(), "pagemap of %s: %v", a.name, err)
			return nil
		}
		for i := range count {
			page := at + i*pageSize
			if binary.NativeEndian.Uint64(part[i*entrySize:])>>62 == 0 {
				continue
			}
			if n := len(runs); n > 0 && runs[n-1].end == page {
				runs[n-1].end += pageSize
			} else {
				runs = append(runs, area{page, page + pageSize, a.name})
			}
		}
		at += count * pageSize
	}
	return runs
}
