package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/fuseconn"
	"safetmp/internal/hosttest"
	"safetmp/internal/mount"
)

// start mounts and serves in this process; the test uses the mount through
// child processes, since a process that serves itself can wait for itself.
func start(t *testing.T) (*Daemon, string) {
	t.Helper()
	hosttest.NeedRoot(t, "to mount directly")
	dir := filepath.Join(t.TempDir(), "m")
	require.NoError(t, os.Mkdir(dir, 0700))
	m, err := mount.Mount(mount.Spec{Mountpoint: dir, Source: "safetmp", NoSymfollow: true, MaxRead: fuseconn.MaxWrite})
	require.NoError(t, err)
	opts := config.Options{Version: "test", Mountpoint: dir, Profile: "tmpdir", SizeBytes: 64 << 20, Inodes: 1000, Mode: 0700}
	d, err := serve(opts, m, nil, func(*Daemon) {}) // the test goes on in this process
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := d.Shutdown(true)
		require.NoError(t, err)
		d.Close()
	})
	return d, dir
}

// sh runs a script with the mount as its working directory's sibling $M.
func sh(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("timeout", "20", "sh", "-euc", script)
	cmd.Env = append(os.Environ(), "M="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestServesAndReports(t *testing.T) {
	d, dir := start(t)
	out := sh(t, dir, `echo hello >$M/foo; cat $M/foo; ls $M | grep -E '^[a-z2-7]{26}$' >/dev/null; ! ln -s x $M/l 2>/dev/null
		chmod 0777 $M/foo; stat -c %a $M/foo`)
	assert.Equal(t, "hello\n700\n", out)
	s := d.Status()
	assert.EqualValues(t, 1, s.Refusals["symlinks"])
	assert.EqualValues(t, 2, s.Inodes)
	assert.True(t, s.NoSUID && s.NoDev && s.NoSymfollow)
	files, wipe := d.Files()
	require.Len(t, files, 1)
	assert.Equal(t, "foo", files[0].Requested)
	assert.EqualValues(t, 6, files[0].Size)
	assert.Equal(t, "sh", files[0].Command)
	wipe()
	assert.Equal(t, "\x00\x00\x00", files[0].Requested, "overwritten")

	report, err := d.Shutdown(false)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, report.Wiped, int64(4096))
	assert.False(t, report.Forced)
	again, err := d.Shutdown(true)
	require.NoError(t, err)
	assert.Equal(t, report, again)
}

func TestBusyMountStaysUnlessForced(t *testing.T) {
	d, dir := start(t)
	holder := exec.Command("sh", "-c", "exec 3>"+dir+"/held; echo ready; exec sleep 60")
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	_, err = out.Read(make([]byte, 6))
	require.NoError(t, err)

	_, err = d.Shutdown(false)
	require.ErrorIs(t, err, unix.EBUSY)
	sh(t, dir, `echo still >$M/served`)

	begun := time.Now()
	report, err := d.Shutdown(true)
	require.NoError(t, err)
	assert.True(t, report.Forced)
	assert.Less(t, time.Since(begun), 5*time.Second)
}

func TestUnmountFromOutsideEndsTheDaemon(t *testing.T) {
	d, dir := start(t)
	sh(t, dir, `head -c 3000000 /dev/zero >$M/big; umount $M`)
	select {
	case <-d.Ended():
	case <-time.After(10 * time.Second):
		t.Fatal("the daemon did not notice the unmount")
	}
	assert.False(t, d.Report().Forced)
}

func TestLazyUnmountServesUntilTheLastClose(t *testing.T) {
	d, dir := start(t)
	sh(t, dir, `exec 3<>$M/open; umount -l $M; echo written >&3; cat /proc/self/fd/3 | grep written
		test -z "$(ls $M)"`)
	select {
	case <-d.Ended():
	case <-time.After(10 * time.Second):
		t.Fatal("the daemon outlived the last close")
	}
}

// The kernel caches aliases of a private mount. Nothing that it has cached may
// be seen once the entry was removed by its assigned name, not even for the
// moment until a notification arrives.
func TestAliasIsGoneAtOnceAfterRemovalByAssignedName(t *testing.T) {
	_, dir := start(t)
	out := sh(t, dir, `perl -e '
		$m = $ENV{M};
		for (1..500) {
			open(F, ">", "$m/foo") or die "create: $!"; print F $_; close F;
			opendir(D, $m); @e = grep { /^[a-z2-7]{26}$/ } readdir D; closedir D;
			@e == 1 or die "listed @e";
			unlink("$m/$e[0]") == 1 or die "unlink: $!";
			-e "$m/foo" and die "still there in round $_";
		}
		print "500 rounds"'`)
	assert.Equal(t, "500 rounds", out)
}

func TestTimeOfBirth(t *testing.T) {
	_, dir := start(t)
	out := sh(t, dir, `echo x >$M/f; b=$(stat -c %W $M/f); [ $b -gt 1700000000 ]; touch -d 2001-01-01 $M/f
		[ $(stat -c %W $M/f) = $b ]; stat -c %y $M/f | cut -c1-10`)
	assert.Equal(t, "2001-01-01\n", out)
}

// leftovers is what a mount that ended may have left in the process.
type leftovers struct {
	files, goroutines, threads int
	resident                   int // KiB
}

func lookAtProcess(t *testing.T) (l leftovers) {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	threads, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &l.resident)
	}
	l.files, l.threads, l.goroutines = len(files), len(threads), runtime.NumGoroutine()
	return l
}

// A thousand mounts in one process, in a soak, leave no descriptor, thread, goroutine
// or memory behind.
func TestManyLives(t *testing.T) {
	rounds := 20
	if os.Getenv("SOAK") == "1" {
		rounds = 1000
	}
	life := func(t *testing.T) {
		d, dir := start(t)
		sh(t, dir, `head -c 300000 /dev/zero >$M/f; mkdir $M/d; cat $M/f >/dev/null`)
		_, err := d.Shutdown(false)
		require.NoError(t, err)
	}
	for range 3 { // what is made once
		t.Run("first", life)
	}
	before, begun := lookAtProcess(t), time.Now()
	for range rounds {
		t.Run("life", life)
	}
	var after leftovers
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		after = lookAtProcess(t)
		if after.files <= before.files && after.goroutines <= before.goroutines && after.threads <= before.threads+4 || time.Now().After(deadline) {
			break
		}
	}
	t.Logf("%d lives, %v each; before %+v, after %+v", rounds, time.Since(begun)/time.Duration(rounds), before, after)
	assert.LessOrEqual(t, after.files, before.files)
	assert.LessOrEqual(t, after.goroutines, before.goroutines)
	assert.LessOrEqual(t, after.threads, before.threads+4, "the runtime's own come and go")
	assert.Less(t, after.resident-before.resident, 8<<10+rounds*4, "KiB: a page for each would be a leak")
}
