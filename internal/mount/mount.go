package mount

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Spec says what to mount.
type Spec struct {
	Mountpoint string
	Source     string // first field in mountinfo; no comma, no backslash
	UID, GID   uint32 // owner: on a private mount the only identity that may enter
	Shared     bool   // allow_other
	NoExec     bool
	// NoSymfollow asks for MS_NOSYMFOLLOW. Where the kernel or the helper does not know it, the mount goes without:
	// the filesystem itself refuses to make links. Unless MustNoSymfollow is set: then it fails.
	NoSymfollow, MustNoSymfollow bool
	// Unchecked leaves out default_permissions: the kernel does not look at permission bits, and asks the filesystem
	// in access(2) and chdir(2) alone. It is for a private mount whose owner may do everything anyway.
	Unchecked bool
	MaxRead   int // bytes of one READ at most; 0: the kernel's choice
}

// Mounted is a filesystem attached to a directory and not answering yet: the caller serves Dev.
type Mounted struct {
	Entry
	// Dev is the connection to the kernel: blocking, close-on-exec. The caller closes it.
	Dev *os.File
	// Covered is the directory below the mount (O_PATH, close-on-exec), of which nothing but its mode can be changed.
	// While it is open, the filesystem that it is part of cannot be unmounted. The caller closes it.
	Covered *os.File
}

// deviceFile is the FUSE device, fuse(4).
const deviceFile = "/dev/fuse"

// Mount checks the mountpoint and mounts: by mount(2) for whoever has CAP_SYS_ADMIN in this namespace, else with
// fusermount3. On error nothing is left mounted.
//
// Errors: *Error, see errors.go.
func Mount(s Spec) (*Mounted, error) {
	t, err := openTarget(s.Mountpoint)
	if err != nil {
		return nil, err
	}
	attach := attachByHelper
	if hasSysAdmin() {
		attach = attachDirectly
	}
	dev, err := attach(s, t)
	if err != nil {
		t.close()
		return nil, err
	}
	m := &Mounted{Dev: dev, Covered: os.NewFile(uintptr(t.fd), t.path)}
	if m.Entry, err = s.verify(t); err != nil {
		t.detach()
		_ = dev.Close()
		_ = m.Covered.Close()
		return nil, err
	}
	return m, nil
}

// verify finds the fresh mount in the kernel's table and checks the flags that are promised.
func (s Spec) verify(t *target) (Entry, error) {
	id, err := t.mounted()
	if err != nil {
		return Entry{}, &Error{Op: "mount", Path: t.path, Err: err}
	}
	entries, err := Entries()
	if err != nil {
		return Entry{}, err
	}
	for _, e := range entries {
		switch {
		case e.ID != id:
		case !e.NoSUID || !e.NoDev:
			return Entry{}, &Error{Op: "mount", Path: t.path, Err: errors.New("mounted without nosuid and nodev, which are promised")}
		case s.MustNoSymfollow && !e.NoSymfollow:
			return Entry{}, noSymfollowError(t.path, "the kernel does not know nosymfollow", "Linux 5.10 does")
		default:
			e.Unique = uniqueOf(e)
			return e, nil
		}
	}
	return Entry{}, &Error{Op: "mount", Path: t.path, Err: errors.New("mounted, but not in the mount table")}
}

// noSymfollowError is the failure of a mount that must not follow links.
func noSymfollowError(path, problem, hint string) error {
	return &Error{Op: "mount", Path: path, Err: errors.New(problem), hint: hint + "; a policy that refuses symbolic links does without"}
}

// attachDirectly calls mount(2) on the held directory.
func attachDirectly(s Spec, t *target) (*os.File, error) {
	dev, err := openDevice()
	if err != nil {
		return nil, err
	}
	err = unix.Mount(s.Source, t.procPath(), Type, s.flags(), s.data(int(dev.Fd())))
	if err != nil {
		_ = dev.Close()
		return nil, mountError(t.path, err)
	}
	return dev, nil
}

// openDevice opens /dev/fuse. Not by os.OpenFile, which would make it non-blocking.
func openDevice() (*os.File, error) {
	fd, err := unix.Open(deviceFile, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		return os.NewFile(uintptr(fd), deviceFile), nil
	}
	e := &Error{Op: "mount", Err: caused(ErrNoDevice, err)}
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		e.hint = "its usual mode is 0666; in a container: --device /dev/fuse"
	default:
		e.hint = "load the module: modprobe fuse; in a container: --device /dev/fuse"
	}
	return nil, e
}

// flags returns the mount flags: nosuid and nodev always.
func (s Spec) flags() uintptr {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if s.NoExec {
		flags |= unix.MS_NOEXEC
	}
	if s.NoSymfollow {
		flags |= unix.MS_NOSYMFOLLOW
	}
	return flags
}

// data returns the FUSE options of mount(2); see Documentation/filesystems/fuse of the kernel.
func (s Spec) data(fd int) string {
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d", fd, unix.S_IFDIR, s.UID, s.GID)
	if !s.Unchecked {
		data += ",default_permissions"
	}
	if s.MaxRead > 0 {
		data += fmt.Sprintf(",max_read=%d", s.MaxRead)
	}
	if s.Shared {
		data += ",allow_other"
	}
	return data
}

// mountError puts the errno of mount(2) into words.
func mountError(path string, err error) error {
	e := &Error{Op: "mount", Path: path, Err: err}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		e.Err, e.hint = caused(ErrNotPermitted, err), "a security module or a container may forbid mounts; safetmp run needs no privilege"
	case errors.Is(err, unix.ENODEV):
		e.Err, e.hint = caused(ErrNoDevice, err), "the kernel knows no FUSE: modprobe fuse"
	}
	return e
}

// hasSysAdmin reports whether this thread may call mount(2) in its namespaces.
func hasSysAdmin() bool { return holds(unix.CAP_SYS_ADMIN) }

// holds reports whether this thread has a capability, one of the first 32.
func holds(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<capability) != 0
}

// initialUserNamespace is PROC_USER_INIT_INO (include/linux/proc_ns.h).
const initialUserNamespace = 0xEFFFFFFD

// OverridesModes reports whether root is real here: permission bits do not bind this process, which has
// CAP_DAC_OVERRIDE outside of any user namespace. In one, `run` takes all capabilities from the command.
func OverridesModes() bool {
	var ns unix.Stat_t
	return os.Geteuid() == 0 && holds(unix.CAP_DAC_OVERRIDE) &&
		unix.Stat("/proc/self/ns/user", &ns) == nil && ns.Ino == initialUserNamespace
}
