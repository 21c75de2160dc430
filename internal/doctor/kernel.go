package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// version is a kernel's, of which only the first two numbers matter.
type version struct{ major, minor int }

func (v version) before(w version) bool {
	return v.major < w.major || v.major == w.major && v.minor < w.minor
}

// parseVersion reads "6.18.44-generic".
func parseVersion(release string) (version, bool) {
	major, rest, found := strings.Cut(release, ".")
	minor := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		minor = rest[:end]
	}
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return version{a, b}, found && err1 == nil && err2 == nil
}

// What safetmp needs at least, and what it was made for.
var (
	oldestKernel  = version{4, 20} // FUSE 7.28
	fullestKernel = version{6, 6}  // direct I/O with shared mappings
)

// oldestMinor is the FUSE protocol that internal/fuseconn insists on, 7.28.
const oldestMinor = 28

// checkKernel judges the kernel's version and that of its FUSE protocol.
func checkKernel(s System) Check {
	c := Check{Name: "kernel", Verdict: Ok, Found: "Linux " + s.Release}
	if s.Trial.Inside.Minor > 0 {
		c.Found += fmt.Sprintf(", FUSE 7.%d", s.Trial.Inside.Minor)
	}
	v, known := parseVersion(s.Release)
	switch {
	case known && v.before(oldestKernel), s.Trial.Inside.Minor > 0 && s.Trial.Inside.Minor < oldestMinor:
		c.Verdict, c.Stops = Fail, []string{Mount, Run}
		c.Means = "neither mount nor run can work: they need FUSE 7.28"
		c.Fix = "Linux 4.20 or newer; 6.6 for everything"
	case known && v.before(fullestKernel):
		c.Verdict = Note
		c.Means = "works; what this kernel lacks is listed below"
		c.Fix = "Linux 6.6 or newer has everything"
	case !known:
		c.Verdict = Note
		c.Means = "the version is not known; what matters of it was tried"
	}
	return c
}

// Features that the kernel offers in its INIT request, linux/fuse.h.
const (
	flagDirectMmap  = 1 << 36 // FUSE_DIRECT_IO_ALLOW_MMAP, Linux 6.6
	flagPassthrough = 1 << 37 // FUSE_PASSTHROUGH, Linux 6.9
	flagIOUring     = 1 << 41 // FUSE_OVER_IO_URING, Linux 6.14
)

// notTried is the finding where no filesystem could be mounted to see.
func notTried(name string) Check {
	return Check{Name: name, Verdict: Note, Found: "not known, since no FUSE filesystem could be mounted to see"}
}

// offered reports whether the kernel offered a feature; known says whether it was asked.
func (s System) offered(flag uint64) (offered, known bool) {
	return s.Trial.Inside.Flags&flag != 0, s.Trial.Inside.Minor > 0
}

// checkNoSymfollow judges whether the kernel itself refuses to follow links on the mount, on top of the filesystem's
// refusal to make any (mount(2), MS_NOSYMFOLLOW).
func checkNoSymfollow(s System) Check {
	const name = "nosymfollow"
	switch {
	case !s.Trial.Inside.Mount.Worked():
		return notTried(name)
	case s.Trial.Inside.NoSymfollow:
		return Check{Name: name, Verdict: Ok, Found: "the mount flag holds, tried"}
	}
	return Check{Name: name, Verdict: Note, Found: "the kernel does not know the mount flag",
		Means: "symbolic links are still refused, by the filesystem alone",
		Fix:   "Linux 5.10 or newer"}
}

// checkDirectIO judges whether files can bypass the page cache and still be mapped shared.
func checkDirectIO(s System) Check {
	const name = "direct I/O"
	offered, known := s.offered(flagDirectMmap)
	switch {
	case !known:
		return notTried(name)
	case offered:
		return Check{Name: name, Verdict: Ok, Found: "with shared mappings"}
	}
	return Check{Name: name, Verdict: Note, Found: "without shared mappings",
		Means: "every mount keeps copies of file contents in the kernel's page cache, which are freed and not overwritten",
		Fix:   "Linux 6.6 or newer; init_on_free=1 has the kernel overwrite what it frees"}
}

// checkPassthrough judges whether I/O may bypass the daemon.
func checkPassthrough(s System) Check {
	const name = "passthrough"
	offered, known := s.offered(flagPassthrough)
	switch {
	case !known:
		return notTried(name)
	case offered && s.UID == 0:
		return Check{Name: name, Verdict: Ok, Found: "offered by the kernel"}
	case offered:
		return Check{Name: name, Verdict: Ok, Found: "offered by the kernel, to mounts of root"}
	}
	return Check{Name: name, Verdict: Note, Found: "not offered by the kernel",
		Means: "all reads and writes go through the daemon: slower, not weaker",
		Fix:   "Linux 6.9 or newer with CONFIG_FUSE_PASSTHROUGH"}
}

// checkIOUring judges whether requests may travel by io_uring, which the kernel, its FUSE module and the sysctl
// kernel.io_uring_disabled all have to allow.
func checkIOUring(s System) Check {
	c := Check{Name: "io_uring", Verdict: Note, Means: "requests travel through read and write on /dev/fuse: slower, not weaker"}
	disabled, _ := s.text("proc/sys/kernel/io_uring_disabled")
	enabled, parameter := s.text("sys/module/fuse/parameters/enable_uring")
	offered, known := s.offered(flagIOUring)
	switch {
	case disabled == "2", disabled == "1" && s.UID != 0:
		c.Found = "disabled by kernel.io_uring_disabled=" + disabled
		c.Fix = "as root: sysctl -w kernel.io_uring_disabled=0"
	case parameter && enabled != "Y" && enabled != "1":
		c.Found = "switched off in the FUSE module"
		c.Fix = "as root: echo Y >/sys/module/fuse/parameters/enable_uring"
	case !known:
		return notTried(c.Name)
	case !offered:
		c.Found = "not offered by the kernel"
		c.Fix = "Linux 6.14 or newer with CONFIG_FUSE_IO_URING"
	default:
		return Check{Name: c.Name, Verdict: Ok, Found: "offered by the kernel"}
	}
	return c
}

// checkSecretMemory judges memfd_secret(2), of use to --key-memory only.
func checkSecretMemory(s System) Check {
	c := Check{Name: "secret memory", Verdict: Ok, Found: "memfd_secret works, tried"}
	if !s.Trial.SecretMemory.Worked() {
		c.Verdict = Note
		c.Found = "memfd_secret: " + s.Trial.SecretMemory.Errno.Error()
		c.Means = "keys cannot be kept where even the kernel does not map them; locked memory remains"
		c.Fix = "Linux 6.5 or newer, or boot with secretmem.enable=1; a low limit on locked memory also refuses it"
	}
	return c
}
