package main

import (
	"safetmp/internal/config"
	"safetmp/internal/launch"
)

// startDaemon executes this program again as a daemon and returns what it says of itself once the filesystem answers, or why it
// does not.
func (a *app) startDaemon(opts config.Options) (launch.Started, error) {
	process, started, err := launch.Start(a.ctx, launch.Spec{Program: programName, Env: a.env, Options: opts})
	if err != nil {
		return started, err
	}
	return started, process.Release()
}
