package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"safetmp/internal/config"
)

// Hidden commands that a program which uses this package has: the one calls Daemon, the other watch.Serve. Both are
// followed by the mountpoint, for those who look at ps(1).
const (
	DaemonCommand = "daemon"
	WatchCommand  = "watch"
)

// Descriptors that the daemon process inherits beside 0, 1 and 2, which are /dev/null.
const (
	optionsFD = 3 // read end: config.Options as JSON
	statusFD  = 4 // write end: an answer as JSON
)

// exitFailure is the exit code of a daemon that died without a word.
const exitFailure = 1

// ErrInterrupted is what the end of the caller's context makes of a mount that was being started.
var ErrInterrupted = errors.New("mount: interrupted")

// Spec says what to start.
type Spec struct {
	Program string   // argv[0]
	Env     []string // of the caller; the daemon gets the little of it that it needs
	Options config.Options
	// Place, if set, is called with the id of the process before it does anything.
	Place func(pid int) error
}

// Start executes this program as a daemon and returns once the filesystem answers or has failed to. The process is the
// caller's child: to be waited for, or released.
//
// Errors: *Failure, ErrInterrupted, that of Place, or a failure to execute.
func Start(ctx context.Context, s Spec) (*os.Process, Started, error) {
	closeOnExec()
	options, err := json.Marshal(s.Options)
	if err != nil {
		return nil, Started{}, err
	}
	optionsOut, optionsIn, err := os.Pipe()
	if err != nil {
		return nil, Started{}, err
	}
	defer optionsIn.Close()
	status, statusIn, err := os.Pipe()
	if err != nil {
		_ = optionsOut.Close()
		return nil, Started{}, err
	}
	defer status.Close()
	process := daemonProcess(s, optionsOut, statusIn)
	err = process.Start()
	_ = optionsOut.Close()
	_ = statusIn.Close()
	if err != nil {
		return nil, Started{}, fmt.Errorf("starting the daemon: %w", err)
	}
	if err := place(s, process); err != nil {
		return nil, Started{}, err
	}
	go func() { // a daemon that does not read will say so by its status
		_, _ = optionsIn.Write(options)
		_ = optionsIn.Close()
	}()
	started, err := awaitDaemon(ctx, process, status)
	return process.Process, started, err
}

// place lets the caller do with the process what it wants to; if that fails, the process has done nothing yet.
func place(s Spec, process *exec.Cmd) error {
	if s.Place == nil {
		return nil
	}
	err := s.Place(process.Process.Pid)
	if err != nil {
		_ = process.Process.Kill()
		_ = process.Wait()
	}
	return err
}

// closeOnExec keeps descriptors that our caller left open (a shell's, a lock's) from living on in the daemon; see
// close_range(2). Before Linux 5.11, which does not know the flag, they would; the daemon works all the same.
func closeOnExec() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// daemonProcess prepares the daemon: a session of its own, stdio /dev/null, working directory /.
func daemonProcess(s Spec, options, status *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{s.Program, DaemonCommand, s.Options.Mountpoint},
		Env:         daemonEnvironment(s.Env),
		Dir:         "/",
		ExtraFiles:  []*os.File{options, status},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
}

// daemonEnvironment keeps the few variables that the daemon or the Go runtime reads; the rest may hold secrets and is
// of no use to it.
func daemonEnvironment(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		switch key {
		case "PATH", "HOME", "XDG_RUNTIME_DIR", "TZ":
			return false
		}
		return !strings.HasPrefix(key, "GO") && !strings.HasPrefix(key, "SAFETMP_")
	})
}

// awaitDaemon reads the daemon's one message. When the caller is interrupted, so is the daemon, which then unmounts.
func awaitDaemon(ctx context.Context, process *exec.Cmd, status io.ReadCloser) (Started, error) {
	stop := context.AfterFunc(ctx, func() { _ = process.Process.Signal(unix.SIGTERM) })
	var said answer
	err := json.NewDecoder(status).Decode(&said)
	if !stop() {
		_ = status.Close() // a daemon that is ready nevertheless must not believe that somebody knows
		_ = process.Wait()
		return Started{}, ErrInterrupted
	}
	switch {
	case err != nil || said.Failure == nil && said.Started == nil:
		return Started{}, &Failure{Code: exitFailure, Message: "mount: the daemon died: " + deathOf(process)}
	case said.Failure != nil:
		_ = process.Wait()
		return Started{}, said.Failure
	}
	return *said.Started, nil
}

// deathOf says how a process ended.
func deathOf(process *exec.Cmd) string {
	if err := process.Wait(); err != nil {
		return err.Error()
	}
	return "without a word"
}
