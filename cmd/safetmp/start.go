package main

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

// Descriptors that the daemon process inherits beside 0, 1 and 2, which are /dev/null.
const (
	optionsFD = 3 // read end: config.Options as JSON
	statusFD  = 4 // write end: one failure as JSON, with code 0 once the filesystem answers
)

// errInterrupted is what a signal makes of a mount that was being started.
var errInterrupted = errors.New("mount: interrupted")

// startDaemon executes this program again as a daemon and returns once the filesystem answers or has failed to.
func (a *app) startDaemon(opts config.Options) error {
	closeOnExec()
	options, err := json.Marshal(opts)
	if err != nil {
		return err
	}
	optionsOut, optionsIn, err := os.Pipe()
	if err != nil {
		return err
	}
	defer optionsIn.Close()
	status, statusIn, err := os.Pipe()
	if err != nil {
		_ = optionsOut.Close()
		return err
	}
	defer status.Close()
	process := a.daemonProcess(opts.Mountpoint, optionsOut, statusIn)
	err = process.Start()
	_ = optionsOut.Close()
	_ = statusIn.Close()
	if err != nil {
		return fmt.Errorf("starting the daemon: %w", err)
	}
	go func() { // a daemon that does not read will say so by its status
		_, _ = optionsIn.Write(options)
		_ = optionsIn.Close()
	}()
	return awaitDaemon(a.ctx, process, status)
}

// closeOnExec keeps descriptors that our caller left open (a shell's, a lock's) from living on in the daemon; see
// close_range(2). Before Linux 5.11, which does not know the flag, they would; the daemon works all the same.
func closeOnExec() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// daemonProcess prepares the daemon: a session of its own, stdio /dev/null, working directory /. The mountpoint among
// the arguments is for those who look at ps(1).
func (a *app) daemonProcess(mountpoint string, options, status *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{programName, daemonName, mountpoint},
		Env:         daemonEnvironment(a.env),
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
func awaitDaemon(ctx context.Context, process *exec.Cmd, status io.ReadCloser) error {
	stop := context.AfterFunc(ctx, func() { _ = process.Process.Signal(unix.SIGTERM) })
	var result failure
	err := json.NewDecoder(status).Decode(&result)
	if !stop() {
		_ = status.Close() // a daemon that is ready nevertheless must not believe that somebody knows
		_ = process.Wait()
		return errInterrupted
	}
	switch {
	case err != nil:
		return &failure{Code: exitFailure, Message: "mount: the daemon died: " + deathOf(process)}
	case result.Code != exitOK:
		_ = process.Wait()
		return &result
	}
	return process.Process.Release()
}

// deathOf says how a process ended.
func deathOf(process *exec.Cmd) string {
	if err := process.Wait(); err != nil {
		return err.Error()
	}
	return "without a word"
}
