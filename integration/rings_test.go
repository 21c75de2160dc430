//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/bench"
	"safetmp/internal/hosttest"
)

// A mount that waits for io_uring where none comes would hang for ever, so each
// thing that can go wrong is made to go wrong here, while rings are set up,
// used and taken down. Every call is bounded: the mount answers, or it ends.

const (
	uringSwitch  = "/sys/module/fuse/parameters/enable_uring"
	uringSysctl  = "/proc/sys/kernel/io_uring_disabled"
	codeNoRings  = 23
	answerBound  = 10 * time.Second // for a mount to answer or to refuse
	endRounds    = 4                // how often a mount under load is ended, in each way
	loadWorkers  = 4
	loadedBefore = 30 * time.Millisecond // the load runs for about that long
)

// A "filtered" helper executes the rest of its arguments with the system calls
// of the first one failing as a container's filter has them fail.
func init() {
	helpers["filtered"] = func(args []string) error {
		runtime.LockOSThread()
		policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionErrno, Names: strings.Split(args[0], ",")},
		}}
		if err := seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: policy}); err != nil {
			return err
		}
		return unix.Exec(args[1], args[1:], os.Environ())
	}
	helpers["rlimit"] = func(args []string) error {
		kind, _ := strconv.Atoi(args[0])
		n, _ := strconv.ParseUint(args[1], 10, 64)
		if err := unix.Setrlimit(kind, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
		return unix.Exec(args[2], args[2:], os.Environ())
	}
}

// offerRings has the kernel offer FUSE over io_uring for the rest of the test,
// to mounts of the whole machine.
func offerRings(t testing.TB) *bench.Switch {
	t.Helper()
	needSafetmp(t)
	needRoot(t)
	if _, err := os.Stat(uringSwitch); err != nil {
		t.Skip("this kernel has no FUSE over io_uring")
	}
	rings, err := bench.TurnOn(uringSwitch)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rings.Off()) })
	setForTest(t, uringSysctl, "0")
	return rings
}

// setForTest writes a setting of the machine and puts the old one back.
func setForTest(t testing.TB, path, value string) {
	t.Helper()
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(value), 0))
	t.Cleanup(func() { assert.NoError(t, os.WriteFile(path, before, 0)) })
}

// ringMount is a mountpoint on which a test mounts over and over, for somebody
// who may not write to what is below it.
func ringMount(t testing.TB) *live {
	t.Helper()
	m := &live{dir: filepath.Join(suite.Base, "m", fmt.Sprint(mountCount.Add(1))), by: root, owner: victim}
	require.NoError(t, os.Mkdir(m.dir, 0o700))
	t.Cleanup(func() {
		_ = unix.Unmount(m.dir, unix.MNT_DETACH)
		assert.NoError(t, os.Remove(m.dir))
	})
	return m
}

// wrapper prepares the command that executes safetmp, with its arguments.
type wrapper func(bin string, args ...string) *exec.Cmd

// through is a wrapper by a helper with arguments of its own.
func through(helper string, own ...string) wrapper {
	return func(bin string, args ...string) *exec.Cmd {
		cmd := helperCommand(root, helper, append(append(own, bin), args...)...)
		cmd.Env = append(cmd.Env, daemonEnv(nil)...)
		return cmd
	}
}

func plainly(bin string, args ...string) *exec.Cmd {
	cmd := command(root, bin, args...)
	cmd.Env = daemonEnv(nil)
	return cmd
}

// mount mounts in the background and returns the exit status and what was said.
func (m *live) mount(wrap wrapper, transport string) (int, string) {
	out, err := boundedOutput(wrap(suite.bin, "mount", "--size=64m", "--transport="+transport, ownerWords(m.owner), m.dir), answerBound)
	if err == nil {
		m.minor = m.info().Minor
	}
	return hosttest.ExitStatus(err), string(out)
}

func ownerWords(uid int) string { return fmt.Sprintf("-ouid=%d,gid=%d", uid, uid) }

// answers uses the mount as programs do and tells how requests reached it.
func (m *live) answers(t testing.TB) (transport string) {
	t.Helper()
	script := `cd "$0"; echo text >f; mkdir -p d; cp f d/g; cat d/g; head -c 300000 /dev/zero >big; rm -r f d big; ls -A`
	out, err := boundedOutput(command(m.owner, "sh", "-euc", script, m.dir), answerBound)
	require.NoError(t, err, "%s", out)
	require.Equal(t, "text\n", string(out))
	s := m.status(t)
	m.pid = s.PID
	return s.Transport
}

// ends unmounts and waits for the daemon.
func (m *live) ends(t testing.TB) {
	t.Helper()
	out, err := m.umount()
	require.NoError(t, err, out)
	m.gone(t)
}

// TestRings: one queue for each processor that may ever be, and none left.
func TestRings(t *testing.T) {
	offerRings(t)
	for _, transport := range []string{"auto", "uring"} {
		m := ringMount(t)
		code, out := m.mount(plainly, transport)
		require.Zero(t, code, out)
		assert.Equal(t, "uring", m.answers(t))
		assert.GreaterOrEqual(t, hosttest.Rings(t, m.pid), runtime.NumCPU())
		m.ends(t)
	}
	m := ringMount(t)
	code, out := m.mount(plainly, "dev")
	require.Zero(t, code, out)
	assert.Equal(t, "dev", m.answers(t))
	assert.Zero(t, hosttest.Rings(t, m.pid))
	m.ends(t)
}

// TestRingsByUser: an ordinary user's mount, and one of run, have rings too.
func TestRingsByUser(t *testing.T) {
	offerRings(t)
	needProgram(t, "fusermount3")
	m := background(t, user(), "--size=16m", "--transport=uring")
	assert.Equal(t, "uring", m.status(t).Transport)
	require.NoError(t, as(m.owner, func() error { return os.WriteFile(m.dir+"/f", []byte("x"), 0o600) }))
	out, err := m.umount()
	require.NoError(t, err, out)
	m.gone(t)
	cmd := command(user(), suite.bin, "run", "--transport=uring", "--size=16m", "--", "sh", "-euc", `echo x >$TMPDIR/f; cat $TMPDIR/f`)
	cmd.Env, cmd.Dir = daemonEnv(nil), "/"
	text, err := boundedOutput(cmd, answerBound)
	require.NoError(t, err, "%s", text)
	assert.Equal(t, "x\n", string(text))
}

// TestRingsWithheld: whatever keeps rings from being made, auto mounts without
// them and says why, and uring does not mount.
func TestRingsWithheld(t *testing.T) {
	for name, c := range map[string]struct {
		path, value string // a setting of the machine
		wrap        wrapper
		reason      string
	}{
		"by the FUSE module":             {uringSwitch, "N", plainly, "enable_uring"},
		"by the sysctl":                  {uringSysctl, "2", plainly, "io_uring_disabled"},
		"by a filter of setup":           {wrap: through("filtered", "io_uring_setup"), reason: "filter"},
		"by a filter of register":        {wrap: through("filtered", "io_uring_register"), reason: "filter"},
		"by a filter of enter":           {wrap: through("filtered", "io_uring_enter"), reason: "filter"},
		"by a filter of setting a place": {wrap: through("filtered", "sched_setaffinity")}, // does without
	} {
		t.Run(name, func(t *testing.T) {
			rings := offerRings(t)
			if c.path != "" {
				withholdRings(t, rings, c.path, c.value)
			}
			m := ringMount(t)
			code, out := m.mount(c.wrap, "auto")
			require.Zero(t, code, out)
			transport := m.answers(t)
			reason := m.status(t).TransportReason
			m.ends(t)
			code, out = m.mount(c.wrap, "uring")
			if c.reason == "" {
				assert.Equal(t, "uring", transport)
				require.Zero(t, code, out)
				m.ends(t)
				return
			}
			assert.Equal(t, "dev", transport)
			assert.Contains(t, reason, c.reason)
			assert.Equal(t, codeNoRings, code, out)
			assert.Contains(t, out, "no FUSE over io_uring here: ")
			assert.Nil(t, m.info(), "nothing is mounted")
		})
	}
}

// withholdRings sets what keeps the whole machine from using rings.
func withholdRings(t *testing.T, rings *bench.Switch, path, value string) {
	t.Helper()
	alone, err := rings.Alone()
	require.NoError(t, err)
	if !alone {
		t.Skip("others on this machine use rings")
	}
	setForTest(t, path, value)
}

// TestRingsInLittleRoom: wherever descriptors, memory or threads run out, a
// mount answers or there is none.
func TestRingsInLittleRoom(t *testing.T) {
	offerRings(t)
	for name, limits := range map[string]struct {
		kind  int
		tried []uint64
	}{
		"descriptors":   {unix.RLIMIT_NOFILE, []uint64{8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24}},
		"address space": {unix.RLIMIT_AS, []uint64{100 << 20, 1100 << 20, 1200 << 20, 1240 << 20, 1260 << 20, 1300 << 20, 1400 << 20, 2 << 30}},
		"locked memory": {unix.RLIMIT_MEMLOCK, []uint64{0, 64 << 10, 1 << 20, 4 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]int{}
			for _, n := range limits.tried {
				m := ringMount(t)
				code, out := m.mount(through("rlimit", fmt.Sprint(limits.kind), fmt.Sprint(n)), "auto")
				require.NotContains(t, out, "killed after", "a limit of %d", n)
				if code != 0 {
					seen["refused"]++
					m.isDead(t, out)
					continue
				}
				seen[m.answers(t)]++
				m.ends(t)
			}
			t.Log(seen)
			assert.Positive(t, seen["uring"], "some of it is enough")
		})
	}
}

// isDead holds that nothing is mounted, or a mount that a daemon left which died
// before it had a watcher, and which answers so.
func (m *live) isDead(t testing.TB, said string) {
	t.Helper()
	assert.Eventually(t, func() bool {
		var st unix.Statfs_t
		err := as(m.owner, func() error { return unix.Statfs(m.dir, &st) })
		return m.info() == nil || errors.Is(err, unix.ENOTCONN)
	}, answerBound, time.Millisecond, said)
	_ = unix.Unmount(m.dir, unix.MNT_DETACH)
}

// load has workers write, read and remove until they fail, and returns what
// waits for them.
func (m *live) load(t testing.TB) (wait func(t testing.TB)) {
	t.Helper()
	var running sync.WaitGroup
	for range loadWorkers {
		cmd := helperCommand(m.owner, "writer", m.dir)
		require.NoError(t, cmd.Start())
		running.Go(func() { _ = cmd.Wait() })
		t.Cleanup(func() { _ = cmd.Process.Kill() })
	}
	over := make(chan struct{})
	go func() { running.Wait(); close(over) }()
	return func(t testing.TB) {
		t.Helper()
		select {
		case <-over:
		case <-time.After(answerBound):
			require.Fail(t, "programs still wait for the mount")
		}
	}
}
