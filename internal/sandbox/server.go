package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Server serves the filesystem in D. Its methods are called from one goroutine.
type Server interface {
	// Done is closed when the filesystem has ended by itself: unmounted, aborted. Preconditions: Serve has succeeded.
	Done() <-chan struct{}
	// Serve is called once, before the command starts, and returns once the filesystem answers. Before that D has
	// started all it will: from now on it starts nothing, opens nothing and mounts nothing. It reads and writes its
	// links, signals F and I, and waits for I. An error with a method Hint() string shows its hint to the caller.
	Serve() error
	// Shutdown ends the filesystem, whoever uses it, also if it was not served, and returns once everything is wiped,
	// with one line on how it went. An error says that the wipe is not certain.
	Shutdown() (report string, err error)
}

// StartServer mounts the filesystem on an empty directory, in D's namespaces. It need not answer yet. options are
// Config.Options. An error with a method Hint() string shows its hint to the caller.
type StartServer func(options json.RawMessage, mountpoint string) (Server, error)

// fallbackStages are directories that exist everywhere and that few have anything in. D's mounts are its own, so
// nothing of the caller's is hidden.
var fallbackStages = []string{"/mnt", "/media", "/srv"}

// stageIn returns the first of the directories that exists, or can be made, and is empty.
func stageIn(wanted []string) (string, error) {
	for _, dir := range wanted {
		_ = os.MkdirAll(dir, 0o700)
	}
	var tried []error
	for _, dir := range append(append([]string{}, wanted...), fallbackStages...) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			err = empty(real)
		}
		if err == nil {
			return real, nil
		}
		tried = append(tried, err)
	}
	return "", fmt.Errorf("no empty directory to mount on: %w", errors.Join(tried...))
}

// empty fails if the directory cannot be read or has entries.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty", dir)
	}
	return err
}
