package main

import (
	"safetmp/internal/config"
	"safetmp/internal/launch"
)

// startDaemon executes this program again as a daemon and returns once the filesystem answers or has failed to.
func (a *app) startDaemon(opts config.Options) error {
	process, _, err := launch.Start(a.ctx, launch.Spec{Program: programName, Env: a.env, Options: opts})
	if err != nil {
		return err
	}
	return process.Release()
}
