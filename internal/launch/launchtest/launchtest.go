// Package launchtest makes a test binary the program that package launch executes: the daemon and the watcher of a mount.
package launchtest

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"safetmp/internal/launch"
	"safetmp/internal/watch"
)

// Hidden runs the hidden command that the process was executed as, if it was, and returns its exit code. TestMain calls
// it first.
func Hidden() (code int, was bool) {
	if len(os.Args) < 2 {
		return 0, false
	}
	var err error
	switch os.Args[1] {
	case launch.DaemonCommand:
		ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
		defer stop()
		err = launch.Daemon(ctx, func(err error) *launch.Failure { return &launch.Failure{Code: 1, Message: err.Error()} })
	case launch.WatchCommand:
		err = watch.Serve(os.Args[2:])
	default:
		return 0, false
	}
	if err != nil {
		return 1, true
	}
	return 0, true
}
