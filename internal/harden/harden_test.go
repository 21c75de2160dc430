package harden

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/harden/hardentest"
	"safetmp/internal/hosttest"
)

// job is what a test tells its process to do.
type job struct {
	Layer  string // "all", "landlock", "seccomp" or "none"
	Config Config
	Place  hardentest.Place
}

// result is what the process says.
type result struct {
	Error    string
	Landlock string
	Seccomp  string
	Attempts map[string]string
	Works    map[string]string
	Threads  []map[string]string // /proc/self/task/*/status
}

func TestMain(m *testing.M) {
	if text := os.Getenv("HARDEN_TEST_JOB"); text != "" {
		os.Exit(work(text))
	}
	os.Exit(m.Run())
}

// work is the process that hardens itself.
func work(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return 2
	}
	busyThreads()
	var r result
	var state State
	var err error
	switch j.Layer {
	case "all":
		state, err = Apply(j.Config)
	case "keep":
		err = Keep(unix.CAP_SYS_ADMIN, unix.CAP_FOWNER)
	case "landlock":
		state.Landlock = errors.Join(noNewPrivileges(), restrictFiles(j.Config))
	case "seccomp":
		state.Seccomp = errors.Join(noNewPrivileges(), filterCalls(j.Config))
	}
	r.Error, r.Landlock, r.Seccomp = fmt.Sprint(err), fmt.Sprint(state.Landlock), fmt.Sprint(state.Seccomp)
	r.Attempts = hardentest.Try(j.Place)
	r.Works = tryNeeds(j.Config.Folder)
	r.Threads = threads()
	if json.NewEncoder(os.Stdout).Encode(r) != nil {
		return 1
	}
	return 0
}

// busyThreads makes threads that block in the kernel and that compute.
func busyThreads() {
	for range 3 {
		var fds [2]int
		_ = unix.Pipe2(fds[:], unix.O_CLOEXEC)
		go func() {
			runtime.LockOSThread()
			_, _ = unix.Read(fds[0], make([]byte, 1))
		}()
		go func() {
			for {
				runtime.Gosched()
			}
		}()
	}
}

// tryNeeds does what the daemon goes on doing.
func tryNeeds(folder string) map[string]string {
	works := map[string]error{}
	_, works["comm"] = os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	_, works["mountinfo"] = os.ReadFile("/proc/self/mountinfo")
	_, works["tasks"] = os.ReadDir("/proc/self/task")
	works["remove"] = os.Remove(filepath.Join(folder, "own.sock"))
	memory, err := unix.Mmap(-1, 0, 1<<21, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	works["mmap"] = err
	works["mprotect"] = unix.Mprotect(memory, unix.PROT_READ|unix.PROT_WRITE)
	works["madvise"] = unix.Madvise(memory, unix.MADV_DONTNEED)
	_, works["getsid"] = unix.Getsid(0)
	garbage := make([][]byte, 0, 100)
	for i := range 100 {
		garbage = append(garbage, make([]byte, i<<12))
	}
	runtime.KeepAlive(garbage)
	runtime.GC()
	out := map[string]string{}
	for name, err := range works {
		out[name] = fmt.Sprint(err)
	}
	return out
}

// threads reads the lines that matter of every thread's status.
func threads() []map[string]string {
	var all []map[string]string
	paths, _ := filepath.Glob("/proc/self/task/*/status")
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		status := map[string]string{}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			status[key] = strings.TrimSpace(value)
		}
		all = append(all, map[string]string{
			"NoNewPrivs": status["NoNewPrivs"], "Seccomp": status["Seccomp"],
			"CapPrm": status["CapPrm"], "CapEff": status["CapEff"], "CapInh": status["CapInh"], "CapAmb": status["CapAmb"],
		})
	}
	return all
}

// harden starts a process that hardens itself, with a victim and a socket to attack.
func harden(t *testing.T, uid int, layer string, change func(*Config)) result {
	t.Helper()
	dir, err := os.MkdirTemp("", "safetmp-harden-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, hardentest.Place{Folder: dir}.Prepare(uid))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.sock"), nil, 0o600))
	require.NoError(t, os.Chown(filepath.Join(dir, "own.sock"), uid, uid))
	require.NoError(t, os.Chown(dir, uid, uid))
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	require.NoError(t, os.Chmod(filepath.Join(dir, "socket"), 0o666))
	victim := asUser(exec.Command("sleep", "60"), uid)
	require.NoError(t, victim.Start())
	t.Cleanup(func() { _ = victim.Process.Kill(); _ = victim.Wait() })

	j := job{Layer: layer, Config: Config{Folder: dir}, Place: hardentest.Place{
		Folder: dir, Victim: victim.Process.Pid, Socket: filepath.Join(dir, "socket"),
	}}
	if change != nil {
		change(&j.Config)
	}
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := asUser(exec.Command("/proc/self/exe"), uid)
	cmd.Env = append(os.Environ(), "HARDEN_TEST_JOB="+string(text))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	var r result
	require.NoError(t, json.Unmarshal(out, &r), "%s", out)
	return r
}

func asUser(cmd *exec.Cmd, uid int) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: hosttest.Credential(uid)}
	return cmd
}

// users are root, where the tests run as root, and an ordinary user.
func users() []int {
	if os.Getuid() == 0 {
		return []int{0, 1000}
	}
	return []int{os.Getuid()}
}

// each runs a test as root and as an ordinary user.
func each(t *testing.T, test func(t *testing.T, uid int)) {
	if raceEnabled {
		t.Skip("the race detector's runtime makes calls of its own")
	}
	for _, uid := range users() {
		t.Run(fmt.Sprint("as ", uid), func(t *testing.T) { test(t, uid) })
	}
}

// Every attempt is refused, whatever thread makes it, and what the daemon needs goes on.
func TestApply(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		r := harden(t, uid, "all", nil)
		assert.Equal(t, "<nil> <nil> <nil>", strings.Join([]string{r.Error, r.Landlock, r.Seccomp}, " "))
		for name, got := range r.Attempts {
			assert.Contains(t, []string{"EPERM", "EACCES"}, got, name)
		}
		for name, got := range r.Works {
			assert.Equal(t, "<nil>", got, name)
		}
		require.Greater(t, len(r.Threads), 5)
		for _, thread := range r.Threads {
			assert.Equal(t, "1", thread["NoNewPrivs"])
			assert.Equal(t, "2", thread["Seccomp"])
			for _, set := range []string{"CapPrm", "CapEff", "CapInh", "CapAmb"} {
				assert.Zero(t, strings.Trim(thread[set], "0"), set)
			}
		}
	})
}

// What a privileged process keeps is what it asked for.
func TestKeep(t *testing.T) {
	for _, uid := range users() {
		r := harden(t, uid, "keep", nil)
		assert.Equal(t, "<nil>", r.Error)
		want := fmt.Sprintf("%016x", 0)
		if uid == 0 {
			want = fmt.Sprintf("%016x", 1<<unix.CAP_SYS_ADMIN|1<<unix.CAP_FOWNER)
		}
		require.Greater(t, len(r.Threads), 5)
		for _, thread := range r.Threads {
			assert.Equal(t, "1", thread["NoNewPrivs"])
			assert.Equal(t, want, thread["CapPrm"])
			assert.Equal(t, want, thread["CapEff"])
		}
	}
}

// Under the race detector the layers that hold everywhere still do.
func TestPrivileges(t *testing.T) {
	for _, uid := range users() {
		r := harden(t, uid, "all", nil)
		assert.Equal(t, "<nil>", r.Error)
		for _, thread := range r.Threads {
			assert.Equal(t, "1", thread["NoNewPrivs"])
			assert.Zero(t, strings.Trim(thread["CapPrm"]+thread["CapEff"], "0"))
		}
	}
}

// Without hardening the attempts land, so what refuses them is ours.
func TestAttemptsWouldWork(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		r := harden(t, uid, "none", nil)
		for name, got := range r.Attempts {
			switch {
			case got == "let through":
			case uid != 0 && needsRoot[name]:
			case mayBeForbidden[name]:
				t.Logf("%s: %s on this machine", name, got)
			default:
				t.Errorf("%s: %s", name, got)
			}
		}
	})
}

// needsRoot are attempts that the kernel refuses to ordinary users anyway.
var needsRoot = map[string]bool{"mount": true, "unmount": true, "chroot": true}

// mayBeForbidden are attempts that a machine may be set up to refuse.
var mayBeForbidden = map[string]bool{
	"trace another": true, "read another": true, "memory of another": true, "bpf": true, "io_uring": true, "userfaultfd": true, "perf": true,
	"namespaces": true,
}

// Each layer refuses the main attempts alone: an old kernel has one of them.
func TestLayersAlone(t *testing.T) {
	refused := map[string][]string{
		"landlock": {"read a file", "read the program", "write a file", "create a file", "make a directory", "rename", "exec",
			"trace another", "memory of another", "signal another", "mount", "write to /proc"},
		"seccomp": {"write a file", "create a file", "make a directory", "make a link", "rename", "exec", "fork", "connect to a socket",
			"fork as another call", "TCP", "netlink", "trace another", "read another", "signal another", "mount", "unmount", "chroot", "become dumpable",
			"write and execute", "memfd", "io_uring", "change the uid", "raise the core"},
	}
	each(t, func(t *testing.T, uid int) {
		for layer, names := range refused {
			r := harden(t, uid, layer, nil)
			assert.Equal(t, "<nil> <nil>", r.Landlock+" "+r.Seccomp)
			for _, name := range names {
				assert.Contains(t, []string{"EPERM", "EACCES"}, r.Attempts[name], "%s: %s", layer, name)
			}
			for name, got := range r.Works {
				assert.Equal(t, "<nil>", got, "%s: %s", layer, name)
			}
		}
	})
}

// The daemon of run ends and stops other processes.
func TestSignals(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		r := harden(t, uid, "all", func(c *Config) { c.Signals = true })
		assert.Equal(t, "let through", r.Attempts["signal another"])
		assert.Contains(t, []string{"EPERM", "EACCES"}, r.Attempts["trace another"])
	})
}

// Builds for tests may open the files that they name, and nothing else.
func TestWritable(t *testing.T) {
	each(t, func(t *testing.T, uid int) {
		r := harden(t, uid, "all", func(c *Config) { c.Writable = []string{filepath.Join(c.Folder, "existing"), "/no/such/file"} })
		assert.Equal(t, "<nil> <nil>", r.Landlock+" "+r.Seccomp)
		assert.Equal(t, "let through", r.Attempts["write a file"])
		assert.Contains(t, []string{"EPERM", "EACCES"}, r.Attempts["create a file"])
		assert.Contains(t, []string{"EPERM", "EACCES"}, r.Attempts["write to /proc"])
	})
}
