package hosttest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Run is one run of a test binary that mounts. TestMain begins it and ends it.
type Run struct {
	Base  string // its folder, mode 0755: everything that the tests make lies below it
	races string // prefix of the race detector's reports

	lock   *os.File // held locked to mark Base as in use
	before []string // descriptors that were open
}

// Begin makes the folder of a run in the directory for temporary files; prefix is that of its name, and of every run of
// the same tests. It fails if an earlier run left a mount or a process: what follows would be measured against it.
// Folders of runs that are under way are left alone, folders of dead ones removed.
func Begin(prefix string) (*Run, error) {
	if err := refuseLeftovers(prefix); err != nil {
		return nil, err
	}
	base, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	if base, err = filepath.EvalSymlinks(base); err != nil { // as the mount table and the links of processes have it
		return nil, err
	}
	r := &Run{Base: base, races: filepath.Join(base, "race")}
	if err := errors.Join(os.Chmod(base, 0o755), MountConnections()); err != nil {
		return nil, err
	}
	if r.lock, err = lockFolder(base); err != nil {
		return nil, err
	}
	r.before = OpenFiles()
	return r, nil
}

// End prints what the run failed to take away, and what else is left as the caller knows, and returns the exit code of
// the test binary: code, or 1 if anything is left. It removes the folder unless something failed: the next run does.
func (r *Run) End(code int, left ...string) int {
	defer r.lock.Close()
	left = append(left, Left(r.Base)...)
	left = append(left, openedSince(r.before)...)
	left = append(left, r.RaceReports()...)
	if len(left) == 0 && code == 0 {
		if err := os.RemoveAll(r.Base); err != nil {
			left = append(left, err.Error())
		}
	}
	for _, what := range left {
		fmt.Fprintln(os.Stderr, "left behind:", what)
		code = max(code, 1)
	}
	if code != 0 {
		fmt.Fprintln(os.Stderr, "logs until the next run:", r.Base)
	}
	return code
}

// RaceEnv is for the environment of every daemon: reports of the race detector go to files that RaceReports takes. Each
// process waits a tenth of a second for further reports when it exits, in place of a second.
func (r *Run) RaceEnv() string {
	return "GORACE=halt_on_error=0 exitcode=66 atexit_sleep_ms=100 log_path=" + r.races
}

// RaceReports takes what race detectors reported so far. Those of a daemon of a parallel test may turn up here: the run
// fails either way.
func (r *Run) RaceReports() []string {
	paths, _ := filepath.Glob(r.races + ".*")
	var reports []string
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil && len(data) > 0 {
			reports = append(reports, string(data))
		}
		_ = os.Remove(path)
	}
	return reports
}

// refuseLeftovers is explained in Begin.
func refuseLeftovers(prefix string) error {
	bases, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return err
	}
	for _, base := range bases {
		lock, err := lockFolder(base)
		if err != nil { // a run under way, or another user's
			continue
		}
		_ = lock.Close()
		if left := Left(base); len(left) > 0 {
			return fmt.Errorf("an earlier run left %s: end it by hand, then start again", strings.Join(left, ", "))
		}
		if err := os.RemoveAll(base); err != nil {
			return err
		}
	}
	return nil
}

// lockFolder marks base as used by a living run.
func lockFolder(base string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(base, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}
