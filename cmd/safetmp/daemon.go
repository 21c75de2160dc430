package main

import (
	"errors"

	"github.com/spf13/cobra"

	"safetmp/internal/launch"
	"safetmp/internal/watch"
)

// newDaemonCommands builds the hidden commands that launch.Start executes: the process that serves one mount, and its
// watcher; see packages launch and watch.
func newDaemonCommands(a *app) []*cobra.Command {
	return []*cobra.Command{
		{
			Use:    launch.DaemonCommand + " DIR",
			Short:  "serve one mount (used by safetmp mount)",
			Hidden: true,
			Args:   exactly("DIR"),
			RunE: func(*cobra.Command, []string) error {
				return ownUse(launch.DaemonCommand, launch.Daemon(a.ctx, failureOf), launch.ErrUse)
			},
		},
		{
			Use:                launch.WatchCommand + " ID DEVICE DIR",
			Short:              "detach a mount when its daemon dies (used by safetmp mount)",
			Hidden:             true,
			DisableFlagParsing: true,
			RunE: func(_ *cobra.Command, args []string) error {
				return ownUse(launch.WatchCommand, watch.Serve(args), watch.ErrUse)
			},
		},
	}
}

// ownUse makes a usage mistake of a hidden command that was run by hand.
func ownUse(name string, err, byHand error) error {
	if errors.Is(err, byHand) {
		return usageError(name, err.Error(), "safetmp mount DIR")
	}
	return err
}
