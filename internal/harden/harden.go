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
	// Writable are files that it may open for writing. They exist in builds for tests only.
	Writable []string
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
	if err := keepCapabilities(nil); err != nil {
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
