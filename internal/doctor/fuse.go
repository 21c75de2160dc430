package doctor

import (
	"io/fs"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// checkDevice judges /dev/fuse, without which nothing works.
func checkDevice(s System) Check {
	c := Check{Name: "/dev/fuse", Verdict: Ok, Found: "can be opened"}
	if s.Trial.Device.Worked() {
		return c
	}
	errno := s.Trial.Device.Errno
	c.Verdict, c.Stops = Fail, []string{Mount, Run}
	c.Found = "cannot be opened: " + errno.Error()
	c.Means = "neither mount nor run can work"
	switch errno {
	case unix.EACCES, unix.EPERM:
		c.Fix = "its usual mode is 0666, as root: chmod 0666 /dev/fuse; in a container: --device /dev/fuse"
	default:
		c.Fix = "load the module, as root: modprobe fuse; in a container: --device /dev/fuse"
	}
	return c
}

// checkMount judges how a filesystem gets mounted: by mount(2), or by fusermount3 for ordinary users.
func checkMount(s System) Check {
	c := Check{Name: "mount", Verdict: Ok}
	switch {
	case !s.Trial.Device.Worked():
		return needsDevice(c.Name, Mount)
	case s.Trial.Privileged:
		return s.checkDirectMount(c)
	}
	helper, mode := s.findHelper()
	switch {
	case helper == "":
		c.Found = "fusermount3 is not installed"
		c.Fix = "install the package fuse3, or mount as root"
	case mode&fs.ModeSetuid == 0:
		c.Found = helper + " is not set-uid root"
		c.Fix = "as root: chmod u+s " + helper + "; in a container: run as root, or use safetmp run"
	default:
		c.Found = helper + ", set-uid"
		return c
	}
	c.Verdict, c.Stops = Fail, []string{Mount}
	c.Means = "ordinary users cannot use safetmp mount; safetmp run does not need it"
	return c
}

// checkDirectMount completes checkMount for whoever may call mount(2).
func (s System) checkDirectMount(c Check) Check {
	switch o := s.Trial.Inside.Mount; {
	case o.Refused():
		c.Verdict, c.Stops = Fail, []string{Mount, Run}
		c.Found = "mount(2) refuses FUSE: " + o.Errno.Error()
		c.Means = "neither mount nor run can work"
		c.Fix = "a security module or a container forbids it; in a container: --cap-add SYS_ADMIN and an AppArmor profile that lets it mount"
	case !o.Tried:
		c.Verdict = Note
		c.Found = "by mount(2), which could not be tried without a mount namespace"
	default:
		c.Found = "by mount(2), tried in a mount namespace"
	}
	return c
}

// needsDevice is the finding where a missing /dev/fuse leaves nothing to try.
func needsDevice(name string, stops ...string) Check {
	return Check{Name: name, Verdict: Fail, Found: "not tried without /dev/fuse", Stops: stops}
}

// refusedInside returns why the namespaces of `run` or the mount in them failed, if they did.
func (s System) refusedInside() (errno syscall.Errno, refused bool) {
	for _, o := range []Outcome{s.Trial.Namespaces, s.Trial.Inside.Mount} {
		if o.Refused() {
			return o.Errno, true
		}
	}
	return 0, false
}

// findHelper looks for fusermount3 where internal/mount does.
func (s System) findHelper() (string, fs.FileMode) {
	for _, dir := range append(append([]string{}, s.Path...), "/usr/bin", "/bin") {
		name := path.Join(dir, "fusermount3")
		info, err := fs.Stat(s.Root, strings.TrimPrefix(name, "/"))
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return name, info.Mode()
		}
	}
	return "", 0
}

// checkSharing judges whether --shared is open to the caller, fusermount3(1).
func checkSharing(s System) Check {
	c := Check{Name: "sharing", Verdict: Ok, Found: "root may share mounts"}
	if s.UID == 0 {
		return c
	}
	config, _ := s.text("etc/fuse.conf")
	for line := range strings.Lines(config) {
		if strings.TrimSpace(line) == "user_allow_other" {
			c.Found = "user_allow_other is set in /etc/fuse.conf"
			return c
		}
	}
	c.Verdict = Note
	c.Found = "user_allow_other is not set in /etc/fuse.conf"
	c.Means = "ordinary users can mount for themselves, not with --shared"
	c.Fix = "as root: echo user_allow_other >>/etc/fuse.conf"
	return c
}

// checkNamespaces judges what `run` stands on.
func checkNamespaces(s System) Check {
	c := Check{Name: "namespaces", Verdict: Ok, Found: "user, mount and pid namespace, and FUSE in them, tried"}
	if s.Trial.Privileged {
		c.Found = "mount and pid namespace, and FUSE in them, tried; root needs no user namespace"
	}
	errno, refused := s.refusedInside()
	switch {
	case !refused:
		return c
	case !s.Trial.Device.Worked() && s.Trial.Namespaces.Worked():
		return needsDevice(c.Name, Run)
	}
	c.Verdict, c.Stops = Fail, []string{Run}
	c.Means = "safetmp run cannot work"
	switch {
	case s.Trial.Namespaces.Refused():
		c.Found, c.Fix = "refused: "+errno.Error(), s.NamespaceHint
	case errno == unix.EPERM || errno == unix.EACCES:
		// AppArmor lets the namespace be made and takes its capabilities away.
		c.Found, c.Fix = "mounting in them is refused: "+errno.Error(), s.NamespaceHint
	default:
		c.Found = "mounting in them fails: " + errno.Error()
	}
	if s.Trial.Privileged {
		c.Fix = "a container or a security module forbids it: --cap-add SYS_ADMIN, or allow clone(2) and mount(2) in its profile"
	}
	return c
}

// checkProc judges whether the command of `run` gets a /proc of its own.
func checkProc(s System) Check {
	c := Check{Name: "own /proc", Verdict: Ok, Found: "can be mounted in a pid namespace, tried"}
	proc := s.Trial.Inside.Proc
	switch {
	case proc.Refused():
		c.Verdict = Warn
		c.Found = "cannot be mounted: " + proc.Errno.Error()
		c.Means = "the command of safetmp run sees the processes outside, the one that holds its files included (which it cannot trace unless it is root)"
		c.Fix = "the container masks parts of /proc; podman: --security-opt unmask=ALL, docker: --security-opt systempaths=unconfined"
	case !proc.Tried:
		c.Verdict = Note
		c.Found = "not known, since the namespaces could not be tried"
	}
	return c
}
