package harden

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what the process will still need.
type Config struct {
	// Folder is where its control socket lies, to be removed at the end; empty if it has none.
	Folder string
	// Signals lets it signal other processes: those of `run`.
	Signals bool
	// Backing is what it needs for the files that the kernel reads and writes by itself; nil if there are none.
	Backing *Backing
	// Writable are files that it may open for writing. They exist in builds for tests only.
	Writable []string
}

// Backing is what a process may do about the files of a tmpfs of its own that a FUSE filesystem passes requests through to: it
// keeps CAP_SYS_ADMIN, which the kernel asks for whenever it is told of a file.
type Backing struct {
	Folder int      // descriptor of the folder in which nameless files are made, and whose file system changes its size
	Calls  []uint64 // requests of ioctl(2) by which the kernel is told
}

// State says which of the layers that a kernel may lack hold.
type State struct {
	Landlock error // nil: it holds
	Seccomp  error // nil: it holds
}

// errRace is why layers are left out.
var errRace = errors.New("left out under the race detector")

// Apply hardens the process, all threads of it. It cannot be undone. Preconditions: no thread blocks signal 33.
func Apply(c Config) (State, error) {
	preload()
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return State{}, fmt.Errorf("RLIMIT_CORE: %w", err)
	}
	if err := noNewPrivileges(); err != nil {
		return State{}, fmt.Errorf("no_new_privs: %w", err)
	}
	var kept []int
	if c.Backing != nil {
		kept = []int{unix.CAP_SYS_ADMIN}
	}
	if err := keepCapabilities(kept); err != nil {
		return State{}, fmt.Errorf("dropping capabilities: %w", err)
	}
	if raceEnabled {
		return State{Landlock: errRace, Seccomp: errRace}, nil
	}
	return State{Landlock: restrictFiles(c), Seccomp: filterCalls(c)}, nil
}

// preload reads the files that the standard library would read later.
func preload() {
	_, _ = time.Now().Zone() // /etc/localtime, for the log
}
