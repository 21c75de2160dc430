package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Outcome is what came of an attempt.
type Outcome struct {
	Tried bool          `json:"tried"`
	Errno syscall.Errno `json:"errno"` // 0: it worked
}

// Worked reports whether it was tried and worked.
func (o Outcome) Worked() bool { return o.Tried && o.Errno == 0 }

// Refused reports whether it was tried and did not work.
func (o Outcome) Refused() bool { return o.Tried && o.Errno != 0 }

// outcome records the error of an attempt.
func outcome(err error) Outcome {
	o := Outcome{Tried: true}
	if err != nil && !errors.As(err, &o.Errno) {
		o.Errno = unix.EIO // a failure without a number still is one
	}
	return o
}

// Trial is what came of trying.
type Trial struct {
	Privileged   bool    `json:"privileged"` // no user namespace was needed
	Device       Outcome `json:"device"`     // opening /dev/fuse
	Lock         Outcome `json:"lock"`       // locking the memory of a mount of the default size
	SecretMemory Outcome `json:"secret_memory"`

	Namespaces Outcome `json:"namespaces"` // a process in the namespaces of `run`
	Inside     Inside  `json:"inside"`     // what that process could do
}

// Inside is what came of trying in the namespaces of `run`.
type Inside struct {
	Mount       Outcome `json:"mount"`        // a FUSE filesystem
	NoSymfollow bool    `json:"no_symfollow"` // it has the mount flag nosymfollow
	Proc        Outcome `json:"proc"`         // a /proc of its own

	// Minor is the version of the FUSE protocol, 7.Minor, and Flags are the features that the kernel offers; zero if
	// no INIT request came.
	Minor uint32 `json:"minor"`
	Flags uint64 `json:"flags"`
}

// trialBound limits how long the process of the trial may take.
const trialBound = 5 * time.Second

// try tries everything. size is that of a mount of the default size, in bytes.
func try(words []string, size int64) Trial {
	t := Trial{Privileged: os.Geteuid() == 0 && hasSysAdmin(), Device: tryDevice(), Lock: tryLock(size), SecretMemory: trySecretMemory()}
	t.Namespaces, t.Inside = tryNamespaces(words, t.Privileged)
	return t
}

func tryDevice() Outcome {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return outcome(err)
}

// tryLock does what memstore does for a mount of this size, and undoes it. MLOCK_ONFAULT (mlock2(2)) makes nothing
// resident.
func tryLock(size int64) Outcome {
	raw, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return outcome(err)
	}
	defer func() { _ = unix.Munmap(raw) }()
	return outcome(lockOnFault(raw))
}

// trySecretMemory asks for an area of memory that not even the kernel maps, memfd_secret(2), and gives it up at once:
// while one is open the machine cannot hibernate.
func trySecretMemory() Outcome {
	fd, err := unix.MemfdSecret(unix.O_CLOEXEC)
	if err == nil {
		_ = unix.Close(fd)
	}
	return outcome(err)
}

// tryNamespaces starts this program again in the namespaces of `run`.
func tryNamespaces(words []string, privileged bool) (Outcome, Inside) {
	ctx, cancel := context.WithTimeout(context.Background(), trialBound)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe", words...)
	cmd.Args[0] = "safetmp"
	cmd.Dir, cmd.Stdout, cmd.SysProcAttr = "/", &out, namespaces(privileged)
	cmd.WaitDelay = trialBound
	if err := cmd.Start(); err != nil {
		return outcome(err), Inside{}
	}
	waitErr := cmd.Wait()
	var inside Inside
	if err := json.Unmarshal(out.Bytes(), &inside); err != nil || waitErr != nil {
		return outcome(unix.EIO), Inside{}
	}
	return outcome(nil), inside
}

// namespaces is what package sandbox gives the processes of `run`, in one step: a user namespace where the caller needs
// one, with the one id that the caller has.
func namespaces(privileged bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID}
	if privileged {
		return attr
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	return attr
}
