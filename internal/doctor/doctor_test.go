package doctor

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"math"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/config"
)

const gib = 1 << 30

// worked is an attempt that did.
var worked = Outcome{Tried: true}

func refused(errno syscall.Errno) Outcome { return Outcome{Tried: true, Errno: errno} }

// machine is a System under construction.
type machine struct {
	System
	files fstest.MapFS
}

// healthy is a machine on which an ordinary user has nothing to complain about.
func healthy() *machine {
	m := &machine{files: fstest.MapFS{}}
	m.System = System{
		Root: m.files, UID: 1000, Path: []string{"/usr/bin"}, Release: "6.18.1-test",
		Memory: config.Memory{RAM: 16 * gib}, MemlockLimit: math.MaxUint64, CoreLimit: 1 << 20,
		NamespaceHint: "the hint of package sandbox",
		Trial: Trial{
			Device: worked, Lock: worked, SecretMemory: worked, Namespaces: worked,
			Inside: Inside{Mount: worked, NoSymfollow: true, Proc: worked, Minor: 45, Flags: flagDirectMmap | flagPassthrough | flagIOUring},
		},
	}
	m.file("usr/bin/fusermount3", "")
	m.files["usr/bin/fusermount3"].Mode = 0o755 | fs.ModeSetuid
	m.file("etc/fuse.conf", "# comment\nuser_allow_other\n")
	m.file("proc/swaps", swapsHeading)
	m.file("proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet init_on_free=1\n")
	m.file("proc/sys/kernel/core_pattern", "\n")
	m.file("proc/sys/kernel/yama/ptrace_scope", "1\n")
	m.file("proc/sys/kernel/io_uring_disabled", "0\n")
	m.file("sys/module/fuse/parameters/enable_uring", "Y\n")
	m.file("sys/power/state", "freeze mem\n")
	for _, name := range []string{"symlinks", "hardlinks", "fifos", "regular"} {
		m.file("proc/sys/fs/protected_"+name, "1\n")
	}
	return m
}

func (m *machine) file(name, text string) { m.files[name] = &fstest.MapFile{Data: []byte(text)} }

// link makes a symbolic link.
func (m *machine) link(name, target string) {
	m.files[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
}

const swapsHeading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"

// swap adds swap areas.
func (m *machine) swap(lines ...string) {
	m.file("proc/swaps", swapsHeading+strings.Join(lines, "\n")+"\n")
}

// withPlainSwap adds a partition in the clear.
func (m *machine) withPlainSwap() {
	m.swap("/dev/sda2                               partition\t4194300\t0\t-2")
}

// cannotLock is the usual limit of ordinary users.
func (m *machine) cannotLock() {
	m.Trial.Lock, m.MemlockLimit = refused(unix.ENOMEM), 8<<20
}

// root turns the machine's user into root.
func (m *machine) root() {
	m.UID, m.Trial.Privileged = 0, true
}

func find(t *testing.T, r Report, name string) Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	require.Fail(t, "no check of this name", name)
	return Check{}
}

func TestHealthyMachine(t *testing.T) {
	r := Examine(healthy().System)
	for _, c := range r.Checks {
		assert.Equal(t, Ok, c.Verdict, "%s: %s", c.Name, c.Found)
		assert.Empty(t, c.Means+c.Fix, c.Name)
	}
	assert.Len(t, r.Checks, len(examinations))
	assert.Equal(t, Ok, r.Verdict)
	assert.True(t, r.Mount && r.Run && r.Usable() && r.Kept())
}

// expected is what a case wants of one check.
type expected struct {
	check   string
	verdict Verdict
	found   string // part of it
	advice  string // part of Means or Fix
}

func TestVerdicts(t *testing.T) {
	for name, c := range verdictCases {
		t.Run(name, func(t *testing.T) {
			m := healthy()
			c.change(m)
			r := Examine(m.System)
			got := find(t, r, c.want.check)
			assert.Equal(t, c.want.verdict, got.Verdict)
			assert.Contains(t, got.Found, c.want.found)
			assert.Contains(t, got.Means+"\n"+got.Fix, c.want.advice)
			assert.Equal(t, got.Verdict == Fail, len(got.Stops) > 0, "fail means that a command is stopped")
			for _, c := range r.Checks {
				assert.NotEmpty(t, c.Found, c.Name)
				if c.Verdict == Warn {
					assert.NotEmpty(t, c.Means, c.Name)
					assert.NotEmpty(t, c.Fix, c.Name)
				}
			}
		})
	}
}

type verdictCase struct {
	change func(*machine)
	want   expected
}

var verdictCases = map[string]verdictCase{
	"no device":        {func(m *machine) { m.Trial.Device = refused(unix.ENOENT) }, expected{"/dev/fuse", Fail, "no such file", "modprobe fuse"}},
	"device forbidden": {func(m *machine) { m.Trial.Device = refused(unix.EACCES) }, expected{"/dev/fuse", Fail, "permission denied", "0666"}},
	"no module":        {func(m *machine) { m.Trial.Device = refused(unix.ENODEV) }, expected{"/dev/fuse", Fail, "no such device", "modprobe"}},

	"no helper":             {func(m *machine) { delete(m.files, "usr/bin/fusermount3") }, expected{"mount", Fail, "not installed", "fuse3"}},
	"helper not set-uid":    {func(m *machine) { m.files["usr/bin/fusermount3"].Mode = 0o755 }, expected{"mount", Fail, "not set-uid", "chmod u+s"}},
	"helper in PATH":        {helperElsewhere, expected{"mount", Ok, "/run/wrappers/bin/fusermount3", ""}},
	"mount without device":  {func(m *machine) { m.Trial.Device = refused(unix.ENOENT) }, expected{"mount", Fail, "not tried", ""}},
	"root":                  {(*machine).root, expected{"mount", Ok, "mount(2)", ""}},
	"root may not mount":    {func(m *machine) { m.root(); m.Trial.Inside.Mount = refused(unix.EPERM) }, expected{"mount", Fail, "operation not permitted", "SYS_ADMIN"}},
	"root without clone":    {func(m *machine) { m.root(); m.noNamespaces(unix.EPERM) }, expected{"mount", Note, "could not be tried", ""}},
	"sharing not permitted": {func(m *machine) { m.file("etc/fuse.conf", "#user_allow_other\n") }, expected{"sharing", Note, "not set", "user_allow_other"}},
	"no fuse.conf":          {func(m *machine) { delete(m.files, "etc/fuse.conf") }, expected{"sharing", Note, "not set", "user_allow_other"}},
	"root shares":           {func(m *machine) { m.root(); delete(m.files, "etc/fuse.conf") }, expected{"sharing", Ok, "root", ""}},

	"no user namespaces":         {func(m *machine) { m.noNamespaces(unix.EPERM) }, expected{"namespaces", Fail, "not permitted", "the hint of package sandbox"}},
	"none left":                  {func(m *machine) { m.noNamespaces(unix.ENOSPC) }, expected{"namespaces", Fail, "no space", "the hint of package sandbox"}},
	"AppArmor takes their power": {func(m *machine) { m.Trial.Inside = Inside{Mount: refused(unix.EACCES)} }, expected{"namespaces", Fail, "mounting in them is refused", "the hint of package sandbox"}},
	"old FUSE":                   {func(m *machine) { m.Trial.Inside.Mount = refused(unix.EINVAL) }, expected{"namespaces", Fail, "invalid argument", "cannot work"}},
	"namespaces, no device":      {noDeviceInside, expected{"namespaces", Fail, "not tried", ""}},
	"root's namespaces":          {func(m *machine) { m.root(); m.noNamespaces(unix.EPERM) }, expected{"namespaces", Fail, "not permitted", "SYS_ADMIN"}},
	"masked /proc":               {func(m *machine) { m.Trial.Inside.Proc = refused(unix.EPERM) }, expected{"own /proc", Warn, "not permitted", "unmask"}},
	"/proc not tried":            {func(m *machine) { m.noNamespaces(unix.EPERM) }, expected{"own /proc", Note, "not known", ""}},

	"kernel 4.19":      {func(m *machine) { m.Release = "4.19.0-27-amd64" }, expected{"kernel", Fail, "4.19", "4.20"}},
	"protocol 7.27":    {func(m *machine) { m.Trial.Inside.Minor = 27 }, expected{"kernel", Fail, "FUSE 7.27", "4.20"}},
	"kernel 4.20":      {func(m *machine) { m.Release = "4.20.0" }, expected{"kernel", Note, "4.20", "6.6"}},
	"kernel 6.5":       {func(m *machine) { m.Release = "6.5.13" }, expected{"kernel", Note, "6.5", "6.6"}},
	"kernel 6.6":       {func(m *machine) { m.Release = "6.6.0-rc1+" }, expected{"kernel", Ok, "6.6", ""}},
	"kernel 10.0":      {func(m *machine) { m.Release = "10.0" }, expected{"kernel", Ok, "10.0", ""}},
	"strange kernel":   {func(m *machine) { m.Release = "plan9" }, expected{"kernel", Note, "plan9", "not known"}},
	"protocol unknown": {func(m *machine) { m.noNamespaces(unix.EPERM) }, expected{"kernel", Ok, "Linux 6.18.1-test", ""}},

	"no nosymfollow":        {func(m *machine) { m.Trial.Inside.NoSymfollow = false }, expected{"nosymfollow", Note, "does not know", "5.10"}},
	"nosymfollow not tried": {func(m *machine) { m.noNamespaces(unix.EPERM) }, expected{"nosymfollow", Note, "not known", ""}},
	"no shared direct mmap": {func(m *machine) { m.Trial.Inside.Flags &^= flagDirectMmap }, expected{"direct I/O", Note, "without", "6.6"}},
	"direct I/O not tried":  {func(m *machine) { m.noNamespaces(unix.EPERM) }, expected{"direct I/O", Note, "not known", ""}},
	"no passthrough":        {func(m *machine) { m.Trial.Inside.Flags &^= flagPassthrough }, expected{"passthrough", Note, "not offered", "6.9"}},
	"passthrough for root":  {(*machine).root, expected{"passthrough", Ok, "by the kernel", ""}},
	"passthrough not tried": {func(m *machine) { m.noNamespaces(unix.EPERM) }, expected{"passthrough", Note, "not known", ""}},
	"no FUSE over io_uring": {func(m *machine) { m.Trial.Inside.Flags &^= flagIOUring }, expected{"io_uring", Note, "not offered", "6.14"}},
	"io_uring parameter": {func(m *machine) { m.file("sys/module/fuse/parameters/enable_uring", "N\n") },
		expected{"io_uring", Note, "switched off", "enable_uring"}},
	"io_uring disabled": {func(m *machine) { m.file("proc/sys/kernel/io_uring_disabled", "2\n") },
		expected{"io_uring", Note, "io_uring_disabled=2", "sysctl"}},
	"io_uring for some": {func(m *machine) { m.file("proc/sys/kernel/io_uring_disabled", "1\n") },
		expected{"io_uring", Note, "io_uring_disabled=1", "sysctl"}},
	"io_uring for root": {func(m *machine) { m.root(); m.file("proc/sys/kernel/io_uring_disabled", "1\n") },
		expected{"io_uring", Ok, "offered", ""}},
	"io_uring not tried": {func(m *machine) { m.noNamespaces(unix.EPERM) }, expected{"io_uring", Note, "not known", ""}},
	"no secret memory":   {func(m *machine) { m.Trial.SecretMemory = refused(unix.ENOSYS) }, expected{"secret memory", Note, "not implemented", "secretmem.enable"}},

	"core to apport": {func(m *machine) { m.file("proc/sys/kernel/core_pattern", "|/usr/share/apport/apport -p%p\n") },
		expected{"core dumps", Note, "handed to apport", "apport"}},
	"core to systemd": {func(m *machine) { m.file("proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P") },
		expected{"core dumps", Note, "handed to systemd-coredump", "Storage=none"}},
	"core to a program of somebody's": {func(m *machine) { m.CoreLimit = 0; m.file("proc/sys/kernel/core_pattern", "|/opt/handler") },
		expected{"core dumps", Note, "whatever ulimit", "core_pattern"}},
	"core in the working directory": {func(m *machine) { m.file("proc/sys/kernel/core_pattern", "core.%p\n") },
		expected{"core dumps", Note, "working directory", "ulimit -c 0"}},
	"core elsewhere": {func(m *machine) { m.file("proc/sys/kernel/core_pattern", "/var/cores/%e\n") },
		expected{"core dumps", Note, "/var/cores", "ulimit -c 0"}},
	"core switched off": {func(m *machine) { m.CoreLimit = 0; m.file("proc/sys/kernel/core_pattern", "core\n") },
		expected{"core dumps", Ok, "off", ""}},
	"core unknown": {func(m *machine) { delete(m.files, "proc/sys/kernel/core_pattern") },
		expected{"core dumps", Note, "not known", ""}},

	"init_on_free off by word": {func(m *machine) { m.file("proc/cmdline", "init_on_free=1 quiet init_on_free=0") },
		expected{"init_on_free", Note, "off, by", "init_on_free=1"}},
	"init_on_free by default": {func(m *machine) { m.config("CONFIG_INIT_ON_FREE_DEFAULT_ON=y\n") },
		expected{"init_on_free", Ok, "configuration", ""}},
	"init_on_free not by default": {func(m *machine) { m.config("# CONFIG_INIT_ON_FREE_DEFAULT_ON is not set\n") },
		expected{"init_on_free", Note, "off", "init_on_free=1"}},
	"init_on_free in /boot": {func(m *machine) {
		m.file("proc/cmdline", "")
		m.file("boot/config-6.18.1-test", "CONFIG_INIT_ON_FREE_DEFAULT_ON=y\n")
	}, expected{"init_on_free", Ok, "configuration", ""}},
	"init_on_free unknown": {func(m *machine) { m.file("proc/cmdline", "") }, expected{"init_on_free", Note, "not known", "init_on_free=1"}},

	"small cgroup": {func(m *machine) { m.Memory.Limit = 2 * gib }, expected{"memory cgroup", Note, "2 GiB of 16 GiB", "1 GiB"}},
	"large cgroup": {func(m *machine) { m.Memory.Limit = 64 * gib }, expected{"memory cgroup", Ok, "no limit", ""}},

	"ptrace": {func(m *machine) { m.file("proc/sys/kernel/yama/ptrace_scope", "0\n") },
		expected{"ptrace", Note, "ptrace_scope=0", "sysctl"}},
	"no Yama": {func(m *machine) { delete(m.files, "proc/sys/kernel/yama/ptrace_scope") },
		expected{"ptrace", Note, "no Yama", "another uid"}},
	"links unprotected": {func(m *machine) { m.file("proc/sys/fs/protected_hardlinks", "0\n") },
		expected{"fs.protected_*", Note, "off: hardlinks", "protected_hardlinks=1"}},
}

// noNamespaces lets the trial end before it began.
func (m *machine) noNamespaces(errno syscall.Errno) {
	m.Trial.Namespaces, m.Trial.Inside = refused(errno), Inside{}
}

func noDeviceInside(m *machine) {
	m.Trial.Device = refused(unix.ENOENT)
	m.Trial.Inside = Inside{Mount: refused(unix.ENOENT), Proc: worked}
}

func helperElsewhere(m *machine) {
	m.files["run/wrappers/bin/fusermount3"] = m.files["usr/bin/fusermount3"]
	delete(m.files, "usr/bin/fusermount3")
	m.Path = []string{"relative", "/run/wrappers/bin"}
}

// config gives the kernel a configuration and no word on its command line.
func (m *machine) config(text string) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte("CONFIG_OTHER=y\n" + text))
	_ = w.Close()
	m.file("proc/config.gz", packed.String())
	m.file("proc/cmdline", "quiet")
}

// What each command needs decides what is left without it.
func TestWhatStillWorks(t *testing.T) {
	cases := map[string]struct {
		change     func(*machine)
		mount, run bool
	}{
		"no device":               {func(m *machine) { m.Trial.Device = refused(unix.ENOENT) }, false, false},
		"no helper":               {func(m *machine) { delete(m.files, "usr/bin/fusermount3") }, false, true},
		"no namespaces":           {func(m *machine) { m.noNamespaces(unix.EPERM) }, true, false},
		"neither":                 {func(m *machine) { m.noNamespaces(unix.EPERM); delete(m.files, "usr/bin/fusermount3") }, false, false},
		"old kernel":              {func(m *machine) { m.Release = "3.10.0" }, false, false},
		"root without FUSE":       {func(m *machine) { m.root(); m.Trial.Inside.Mount = refused(unix.ENODEV) }, false, false},
		"root without namespaces": {func(m *machine) { m.root(); m.noNamespaces(unix.EPERM) }, true, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := healthy()
			c.change(m)
			r := Examine(m.System)
			assert.Equal(t, c.mount, r.Mount, "mount")
			assert.Equal(t, c.run, r.Run, "run")
			assert.Equal(t, c.mount || c.run, r.Usable())
			assert.Equal(t, Fail, r.Verdict)
			assert.False(t, r.Kept())
		})
	}
}
