package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"safetmp/internal/control"
	"safetmp/internal/mount"
)

// peer is a daemon that answered.
type peer struct {
	client *control.Client
	status control.Status
}

// peers asks every daemon whose socket the caller may use, all at once, and returns those that answer in time, by
// mountpoint.
func peers(ctx context.Context) []peer {
	clients := control.List(control.Folders())
	answers := make([]*peer, len(clients))
	var asked sync.WaitGroup
	for i, c := range clients {
		asked.Go(func() {
			if status, err := c.Status(ctx); err == nil {
				answers[i] = &peer{client: c, status: status}
			}
		})
	}
	asked.Wait()
	var found []peer
	for _, p := range answers {
		if p != nil {
			found = append(found, *p)
		}
	}
	slices.SortFunc(found, func(a, b peer) int { return cmp.Compare(a.status.Mountpoint, b.status.Mountpoint) })
	return found
}

// serves reports whether the daemon may speak for a mount: it says so, and it belongs to somebody who could have made
// the mount. Without the second half any user's process could claim root's mounts.
func (p peer) serves(e mount.Entry) bool {
	uid := p.client.ServerUID()
	return p.status.Device == e.Device.String() && (uid == 0 || uid == e.OwnerUID || int(uid) == os.Geteuid())
}

// locate finds the mount at dir and its daemon; the daemon is nil if none answers.
func (a *app) locate(dir string) (mount.Entry, *peer, error) {
	entry, err := mount.Find(dir)
	if err != nil {
		return mount.Entry{}, nil, err
	}
	for _, p := range peers(a.ctx) {
		if p.serves(entry) {
			return entry, &p, nil
		}
	}
	return entry, nil, nil
}

// locateAnswering is locate for commands that can do nothing without the daemon.
func (a *app) locateAnswering(dir string) (*peer, error) {
	entry, p, err := a.locate(dir)
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
