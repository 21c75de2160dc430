package main

import (
	"errors"

	"github.com/spf13/cobra"

	"safetmp/internal/config"
	"safetmp/internal/daemon"
	"safetmp/internal/mount"
	"safetmp/internal/watch"
)

// watchName is the hidden command as which a daemon executes its watcher.
const watchName = "watch"

// newWatchCommand builds the hidden command; see package watch.
func newWatchCommand() *cobra.Command {
	return &cobra.Command{
		Use:                watchName + " ID DEVICE DIR",
		Short:              "detach a mount when its daemon dies (used by safetmp mount)",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			err := watch.Serve(args)
			if errors.Is(err, watch.ErrUse) {
				return usageError(watchName, err.Error(), "safetmp mount DIR")
			}
			return err
		},
	}
}

// mountAndGuard mounts the filesystem with a watcher beside it and returns once it answers. A dead mount that is in the
// way, left by a kill of daemon and watcher, is cleared.
func (a *app) mountAndGuard(opts config.Options) (*daemon.Daemon, error) {
	mounted, err := attach(opts)
	if errors.Is(err, mount.ErrAlreadyMounted) && a.clearDead(opts.Mountpoint) {
		mounted, err = attach(opts)
	}
	if err != nil {
		return nil, err
	}
	guard, err := watch.Start([]string{watchName}, mounted)
	if err != nil {
		_ = mount.Detach(mounted.Entry)
		_ = mounted.Dev.Close()
		return nil, err
	}
	return daemon.StartGuarded(opts, mounted, guard)
}

// clearDead detaches the mount at dir if its daemon is gone, and reports whether it did. A daemon that answers is not
// suspected.
func (a *app) clearDead(dir string) bool {
	entry, p, err := a.locate(dir)
	return err == nil && p == nil && mount.ClearDead(entry)
}
