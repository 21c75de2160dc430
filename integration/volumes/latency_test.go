//go:build linux

package volumes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkDockerRun times `docker run --rm IMAGE true` with each kind of /tmp, one after the other in each round:
//
//	go test -run '^$' -bench Docker -benchtime 20x ./integration/volumes
func BenchmarkDockerRun(b *testing.B) {
	d := suite.docker
	run := func(flags ...string) func() {
		args := append([]string{"run", "--rm", "--network", "none"}, flags...)
		return func() { d.do(b, append(args, d.image, "/bin/true")...) }
	}
	d.do(b, "volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=16m,mode=1777", "bench-local")
	b.Cleanup(func() { d.remove(b, "bench-local") })
	d.create(b, "bench-used", "size=16m")
	b.Cleanup(func() { d.remove(b, "bench-first") })
	plain := run()
	plain()
	run("-v", "bench-used:/tmp")()
	t := &timings{}
	for b.Loop() {
		t.take("none", plain)
		t.take("tmpfs", run("--tmpfs", "/tmp:size=16m"))
		t.take("local", run("-v", "bench-local:/tmp"))
		t.take("safetmp-used", run("-v", "bench-used:/tmp"))
		t.take("create", func() { d.do(b, "volume", "create", "--driver", suite.driver, "--opt", "size=16m", "bench-first") })
		t.take("safetmp-first", run("-v", "bench-first:/tmp"))
		t.take("rm", func() { d.do(b, "volume", "rm", "bench-first") })
	}
	t.report(b)
}

// BenchmarkPublish times NodePublishVolume and NodeUnpublishVolume over the socket of the driver, beside what the kubelet
// does for an emptyDir in memory: a directory and mount(8) with tmpfs, and beside the system calls of that alone.
func BenchmarkPublish(b *testing.B) {
	d := startDriver(b)
	tmpfs := filepath.Join(suite.Base, "tmpfs")
	command := func(args ...string) {
		report, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		require.NoError(b, err, "%s", report)
	}
	t := &timings{}
	for b.Loop() {
		t.take("publish", func() { d.publish("bench") })
		t.take("unpublish", func() { d.unpublish("bench") })
		require.NoError(b, os.Mkdir(tmpfs, 0o755))
		t.take("mount8", func() { command("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmpfs) })
		t.take("umount8", func() { command("umount", tmpfs) })
		t.take("mount2", func() { require.NoError(b, unix.Mount("tmpfs", tmpfs, "tmpfs", 0, "size=4m")) })
		t.take("umount2", func() { require.NoError(b, unix.Unmount(tmpfs, 0)) })
		require.NoError(b, os.Remove(tmpfs))
	}
	t.report(b)
}

// startDriver starts safetmp-volume csi as a process of this machine.
func startDriver(b testing.TB) *driver {
	b.Helper()
	kubelet := filepath.Join(suite.Base, "bench-kubelet")
	d := &driver{t: b, kubelet: kubelet, inside: kubelet}
	socket := filepath.Join(suite.Base, "bench-csi.sock")
	server, err := startProcess("bench-csi", nil, suite.bin, "csi", "--endpoint", "unix://"+socket, "--node-id", "node",
		"--kubelet-dir", d.kubelet, "--state", filepath.Join(suite.Base, "bench-csi"), "--cgroup", suite.group+"-bench")
	require.NoError(b, err)
	b.Cleanup(func() { server.stop(unix.SIGTERM) })
	d.connect(socket)
	d.info()
	return d
}

// timings are the durations of several things, in the order in which they were first taken.
type timings struct {
	names []string
	taken map[string][]time.Duration
}

// take times f.
func (t *timings) take(name string, f func()) {
	began := time.Now()
	f()
	took := time.Since(began)
	if t.taken == nil {
		t.taken = map[string][]time.Duration{}
	}
	if t.taken[name] == nil {
		t.names = append(t.names, name)
	}
	t.taken[name] = append(t.taken[name], took)
}

// report prints the median of each, and between what nine tenths less the fastest tenth lie.
func (t *timings) report(b *testing.B) {
	b.Helper()
	var lines strings.Builder
	for _, name := range t.names {
		all := t.taken[name]
		slices.Sort(all)
		at := func(tenths int) float64 { return float64(all[(len(all)-1)*tenths/10].Microseconds()) / 1000 }
		fmt.Fprintf(&lines, "\n%-14s median %7.1f ms, from %7.1f to %7.1f in four of five", name, at(5), at(1), at(9))
		b.ReportMetric(at(5), name+"-ms")
	}
	b.ReportMetric(0, "ns/op") // of a round: says nothing
	b.Log(lines.String())
}
