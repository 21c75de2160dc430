package main

import (
	"fmt"

	"safetmp/internal/launch"
)

// locateAnswering is locate for commands that can do nothing without the daemon.
func (a *app) locateAnswering(dir string) (*launch.Peer, error) {
	entry, p, err := launch.Find(a.ctx, dir)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, &failure{
			Code:    exitNoDaemon,
			Message: fmt.Sprintf("%s: its daemon does not answer", entry.Mountpoint),
			Hint:    "it may be another user's; if it has died: safetmp umount --force " + entry.Mountpoint,
		}
	}
	return p, nil
}
