package main

import (
	"errors"

	"safetmp/internal/launch"
	"safetmp/internal/sandbox"
	"safetmp/internal/watch"
)

// stages are the processes that safetmp starts of itself, by their first argument: the one that serves a mount and its
// watcher (package launch), and those of run (package sandbox). They are no part of the tree of commands: making that
// takes longer than what they have to do before somebody waits for them.
var stages = map[string]func(a *app, args []string) error{
	launch.DaemonCommand: runDaemon,
	launch.WatchCommand:  runWatcher,
	runDaemonName:        stageOfRun(runDaemonStage),
	runInitName:          stageOfRun(sandbox.Init),
}

// stage finds what this process is to be, nil if it is a command of a user.
func (a *app) stage() func(a *app, args []string) error {
	if len(a.args) < 2 {
		return nil
	}
	return stages[a.args[1]]
}

// runDaemon serves one mount. The mountpoint among its arguments is for ps(1).
func runDaemon(a *app, args []string) error {
	if len(args) != 1 {
		return byHand(launch.DaemonCommand, launch.ErrUse)
	}
	return ownUse(launch.DaemonCommand, launch.Daemon(a.ctx, failureOf), launch.ErrUse)
}

// runWatcher detaches a mount when its daemon dies.
func runWatcher(_ *app, args []string) error {
	return ownUse(launch.WatchCommand, watch.Serve(args), watch.ErrUse)
}

// ownUse makes a usage mistake of a stage that was run by hand.
func ownUse(name string, err, use error) error {
	if errors.Is(err, use) {
		return byHand(name, err)
	}
	return err
}

func byHand(name string, err error) error { return usageError(name, err.Error(), "safetmp mount DIR") }
