// Package hardentest tries what a hardened process must not be able to do. It is for tests: programs that are built
// with the test hooks call it from within the daemon.
package hardentest

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Place is where attempts are made. Whatever is let through does no harm there.
type Place struct {
	Folder string // with the files "existing" and "script", see Prepare
	Victim int    // a process outside, of the same uid
	Socket string // a unix socket that listens
}

// Prepare makes the files of a place.
func (p Place) Prepare(uid int) error {
	for name, text := range map[string]string{"existing": "", "script": "#!/no/such/interpreter\n"} {
		path := filepath.Join(p.Folder, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			return err
		}
		if err := os.Chown(path, uid, uid); err != nil {
			return err
		}
	}
	return nil
}

// attempts are the calls that have to fail. Each returns nil if it was let through.
var attempts = map[string]func(p Place) error{
	"read a file":      func(Place) error { return tryOpen("/etc/passwd", unix.O_RDONLY) },
	"read the program": func(Place) error { return tryOpen("/proc/self/exe", unix.O_RDONLY) },
	"list a directory": func(Place) error { _, err := os.ReadDir("/etc"); return err },
	"write a file":     func(p Place) error { return tryOpen(filepath.Join(p.Folder, "existing"), unix.O_WRONLY) },
	"create a file":    func(p Place) error { return tryOpen(filepath.Join(p.Folder, "new"), unix.O_RDWR|unix.O_CREAT) },
	"make a directory": func(p Place) error { return unix.Mkdir(filepath.Join(p.Folder, "dir"), 0o700) },
	"make a link":      func(p Place) error { return unix.Symlink("/", filepath.Join(p.Folder, "link")) },
	"rename": func(p Place) error {
		return unix.Rename(filepath.Join(p.Folder, "existing"), filepath.Join(p.Folder, "existing"))
	},
	"write to /proc":       func(Place) error { return tryOpen("/proc/self/oom_score_adj", unix.O_WRONLY) },
	"own memory as file":   func(Place) error { return tryOpen("/proc/self/mem", unix.O_RDWR) },
	"memory of another":    func(p Place) error { return tryOpen(fmt.Sprintf("/proc/%d/mem", p.Victim), unix.O_RDONLY) },
	"environ of another":   func(p Place) error { return tryOpen(fmt.Sprintf("/proc/%d/environ", p.Victim), unix.O_RDONLY) },
	"exec":                 tryExec,
	"fork":                 func(Place) error { return tryFork(uintptr(unix.SIGCHLD)) },
	"fork as another call": tryForkAsOther,
	"connect to a socket":  tryConnect,
	"TCP":                  func(Place) error { return trySocket(unix.AF_INET) },
	"netlink":              func(Place) error { return trySocket(unix.AF_NETLINK) },
	"trace another":        func(p Place) error { return unix.PtraceAttach(p.Victim) },
	"read another":         tryReadMemory,
	"signal another":       func(p Place) error { return unix.Kill(p.Victim, unix.SIGWINCH) },
	"mount":                func(p Place) error { return unless(unix.Mount("none", p.Folder, "no such type", 0, ""), unix.ENODEV) },
	"unmount":              func(p Place) error { return unless(unix.Unmount(p.Folder, 0), unix.EINVAL) },
	"chroot":               func(Place) error { return unix.Chroot("/") },
	"change the uid":       func(Place) error { return call(unix.SYS_SETRESUID, ^uintptr(0), ^uintptr(0), ^uintptr(0)) },
	"become dumpable":      func(Place) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) },
	"raise the core":       func(Place) error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}) },
	"namespaces":           func(Place) error { return unless(unix.Unshare(unix.CLONE_NEWUSER), unix.EINVAL) },
	"write and execute":    tryExecutable,
	"memfd":                func(Place) error { fd, err := unix.MemfdCreate("x", 0); return closing(fd, err) },
	"bpf":                  func(Place) error { return call(unix.SYS_BPF, 0, 0, 0) },
	"io_uring": func(Place) error {
		var p [120]byte
		return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p)), 0)
	},
	"keyring":     func(Place) error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true); return err },
	"userfaultfd": func(Place) error { return unless(call(unix.SYS_USERFAULTFD, 1<<20, 0, 0), unix.EINVAL) },
	"perf":        func(Place) error { return unless(call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0), unix.EFAULT) },
}

// Try makes every attempt on a thread of its own and returns the name of the errno of each, "let through" for those
// that were not refused.
func Try(p Place) map[string]string {
	results := map[string]string{}
	for name, attempt := range attempts {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: a thread that got something dies with it
			done <- attempt(p)
		}()
		results[name] = nameOf(<-done)
	}
	return results
}

func nameOf(err error) string {
	if err == nil {
		return "let through"
	}
	for _, errno := range []unix.Errno{unix.EPERM, unix.EACCES, unix.EINVAL, unix.ENOENT, unix.EFAULT} {
		if is(err, errno) {
			return unix.ErrnoName(errno)
		}
	}
	return err.Error()
}

func tryOpen(path string, flags int) error {
	return closing(unix.Open(path, flags|unix.O_CLOEXEC, 0o600))
}

func closing(fd int, err error) error {
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func call(number, a, b, c uintptr) error {
	if fd, _, errno := unix.Syscall6(number, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	} else if fd > 2 {
		_ = unix.Close(int(fd))
	}
	return nil
}

// tryExec executes a script whose interpreter does not exist, which is all that fails if it is let through.
func tryExec(p Place) error {
	return unless(unix.Exec(filepath.Join(p.Folder, "script"), []string{"script"}, nil), unix.ENOENT)
}

// unless takes errors that come after all checks for success.
func unless(err error, late unix.Errno) error {
	if is(err, late) {
		return nil
	}
	return err
}

// tryForkAsOther makes a process with flags that are the number of another call, for a filter that takes an argument
// for the number once it has looked at it. The flags are also the signal that tells of its end.
func tryForkAsOther(Place) error {
	signal.Ignore(unix.SIGUSR1)
	return tryFork(unix.SYS_MPROTECT)
}

// tryFork makes a process that ends at once.
func tryFork(flags uintptr) error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags, 0, 0, 0, 0, 0)
	switch {
	case errno != 0:
		return errno
	case pid == 0:
		for {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	var status unix.WaitStatus
	_, _ = unix.Wait4(int(pid), &status, unix.WALL, nil)
	return nil
}

func tryConnect(p Place) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: p.Socket})
}

func trySocket(family int) error {
	return closing(unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
}

func tryReadMemory(p Place) error {
	var word [8]byte
	local := []unix.Iovec{{Base: &word[0], Len: 8}}
	_, err := unix.ProcessVMReadv(p.Victim, local, []unix.RemoteIovec{{Base: 0x1000, Len: 8}}, 0)
	return unless(err, unix.EFAULT) // nothing is there
}

func tryExecutable(Place) error {
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(page) }()
	return unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC)
}

func is(err error, errno unix.Errno) bool {
	got, ok := err.(unix.Errno)
	if path, isPath := err.(*os.PathError); isPath {
		got, ok = path.Err.(unix.Errno)
	}
	return ok && got == errno
}
