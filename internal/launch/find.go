package launch

import (
	"cmp"
	"context"
	"os"
	"slices"
	"sync"

	"safetmp/internal/control"
	"safetmp/internal/mount"
)

// Peer is a daemon that answered.
type Peer struct {
	Client *control.Client
	Status control.Status
}

// Peers asks every daemon whose socket the caller may use, all at once, and returns those that answer in time, by
// mountpoint.
func Peers(ctx context.Context) []Peer { return peers(ctx, control.List(control.Folders())) }

func peers(ctx context.Context, clients []*control.Client) []Peer {
	answers := make([]*Peer, len(clients))
	var asked sync.WaitGroup
	for i, c := range clients {
		asked.Go(func() {
			if status, err := c.Status(ctx); err == nil {
				answers[i] = &Peer{Client: c, Status: status}
			}
		})
	}
	asked.Wait()
	var found []Peer
	for _, p := range answers {
		if p != nil {
			found = append(found, *p)
		}
	}
	slices.SortFunc(found, func(a, b Peer) int { return cmp.Compare(a.Status.Mountpoint, b.Status.Mountpoint) })
	return found
}

// Serves reports whether the daemon may speak for a mount: it says so, and it belongs to somebody who could have made
// the mount. Without the second half any user's process could claim root's mounts.
func (p Peer) Serves(e mount.Entry) bool {
	uid := p.Client.ServerUID()
	return p.Status.Device == e.Device.String() && (uid == 0 || uid == e.OwnerUID || int(uid) == os.Geteuid())
}

// Find finds the mount at dir and its daemon; the daemon is nil if none answers.
//
// Errors: those of mount.Find.
func Find(ctx context.Context, dir string) (mount.Entry, *Peer, error) {
	entry, err := mount.Find(dir)
	if err != nil {
		return mount.Entry{}, nil, err
	}
	// Not all: among many mounts each command would ask every daemon, and one that hangs would hold up the others' users.
	return entry, serving(peers(ctx, control.List(control.Folders(), entry.Device.Label())), entry), nil
}

// serving picks the daemon of a mount, nil if it is not among them: the latest of those that may speak for it, since one
// whose mount has just ended still answers, and the next mount may have been given its device number.
func serving(peers []Peer, e mount.Entry) (found *Peer) {
	for _, p := range peers {
		if p.Serves(e) && (found == nil || p.Status.Started.After(found.Status.Started)) {
			found = &p
		}
	}
	return found
}
