package suites

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// fioEngines are the ways in which fio does I/O, with the options of each.
var fioEngines = []struct {
	name  string
	words []string
}{
	{"buffered", words("--ioengine=psync")},
	{"direct", words("--ioengine=psync", "--direct=1")},
	{"mmap", words("--ioengine=mmap")},
	{"io_uring", words("--ioengine=io_uring", "--iodepth=8")},
	{"io_uring direct", words("--ioengine=io_uring", "--iodepth=8", "--direct=1")},
}

// TestFio writes files at random places with a checksum in each block, and reads
// every block back, in each configuration; on tmpfs first.
func TestFio(t *testing.T) {
	program := hosttest.NeedProgram(t, "fio")
	oracle := mountTmpfs(t, "size=1g")
	for _, e := range fioEngines {
		t.Run("tmpfs "+e.name, func(t *testing.T) { t.Log(runFio(t, program, oracle, e.words)) })
	}
	for _, c := range rowsWithMuchData() {
		t.Run(c.name, func(t *testing.T) {
			m := c.mountRow(t, posix, "size=1g")
			for _, e := range fioEngines {
				t.Run(e.name, func(t *testing.T) { t.Log(runFio(t, program, m.dir, e.words)) })
			}
			m.check(t)
		})
	}
}

// fioReport is the part of fio's report that is looked at.
type fioReport struct {
	Jobs []struct {
		Error int
		Read  fioSide `json:"read"`
		Write fioSide `json:"write"`
	}
}

type fioSide struct {
	IOBytes  int64 `json:"io_bytes"`
	TotalIOs int64 `json:"total_ios"`
}

// runFio runs two jobs and returns how much they wrote and verified.
func runFio(t *testing.T, program, dir string, engine []string) string {
	t.Helper()
	size := "12m"
	if soak {
		size = "384m"
	}
	ctx, cancel := context.WithTimeout(context.Background(), spend(time.Minute, 5*time.Minute))
	defer cancel()
	args := append([]string{"--name=verify", "--directory=" + dir, "--rw=randwrite", "--bsrange=4k-64k", "--bs_unaligned=0", "--numjobs=2",
		"--size=" + size, "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--randseed=7", "--unlink=1", "--fallocate=none", "--verify_state_save=0",
		"--output-format=json"}, engine...)
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var report fioReport
	require.NoError(t, json.Unmarshal(out, &report), "%s", out)
	require.Len(t, report.Jobs, 2)
	var wrote, read int64
	for _, job := range report.Jobs {
		assert.Zero(t, job.Error)
		wrote, read = wrote+job.Write.IOBytes, read+job.Read.IOBytes
	}
	assert.Positive(t, wrote)
	assert.Equal(t, wrote, read, "what was written was verified")
	return fmt.Sprintf("%d MiB written, %d MiB verified", wrote>>20, read>>20)
}
