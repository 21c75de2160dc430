package control

import (
	"encoding/json"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// endGrace bounds how long a follower may take to read what is left when the mount has ended.
const endGrace = 3 * time.Second

// follower is a connection that is sent events.
type follower struct {
	conn   *net.UnixConn
	events chan Event // closed when no more will come
	lost   uint64     // guarded by Server.followMu: since the last one that found room
	ending bool       // guarded by Server.followMu: the write deadline is final
}

// Followed reports whether anybody would see an event, for those to whom making one costs something. A nil Server has no
// followers.
func (s *Server) Followed() bool { return s != nil && s.following.Load() > 0 }

// Publish sends an event to every follower that has room for it and counts it as lost to the others. It never waits for
// a follower.
func (s *Server) Publish(e Event) {
	if !s.Followed() {
		return
	}
	s.followMu.Lock()
	defer s.followMu.Unlock()
	for f := range s.followers {
		f.offer(e)
	}
}

// offer queues an event. The last one always finds room. Preconditions: Server.followMu is held.
func (f *follower) offer(e Event) {
	if e.Kind == EventEnded && len(f.events) == cap(f.events) {
		select {
		case oldest := <-f.events:
			f.lost += oldest.Lost + 1
		default: // the follower has just read one
		}
	}
	e.Lost = f.lost
	select {
	case f.events <- e:
		f.lost = 0
	default:
		f.lost++
	}
}

// follow sends events until the client hangs up, is too slow, or the server closes.
func (s *Server) follow(conn *net.UnixConn) {
	f, err := s.addFollower(conn)
	if err != nil {
		send(conn, errorReply(err))
		return
	}
	defer s.removeFollower(f)
	_ = conn.SetReadDeadline(time.Time{})
	gone := make(chan struct{})
	go func() { // the client has nothing more to say: a byte ends it, as hanging up does
		defer close(gone)
		_, _ = conn.Read(make([]byte, 1))
	}()
	for e := (Event{Time: time.Now(), Kind: EventFollowing}); ; {
		if s.tell(f, e) != nil {
			return
		}
		var more bool
		select {
		case e, more = <-f.events:
			if !more {
				return
			}
		case <-gone:
			return
		}
	}
}

// tell writes one event.
func (s *Server) tell(f *follower, e Event) error {
	s.followMu.Lock()
	if !f.ending {
		_ = f.conn.SetWriteDeadline(time.Now().Add(s.patience))
	}
	s.followMu.Unlock()
	return json.NewEncoder(f.conn).Encode(reply{Event: &e})
}

// addFollower registers a connection.
func (s *Server) addFollower(conn *net.UnixConn) (*follower, error) {
	s.followMu.Lock()
	defer s.followMu.Unlock()
	switch {
	case s.silent:
		return nil, fmt.Errorf("the mount has ended: %w", unix.ESHUTDOWN)
	case len(s.followers) >= MaxFollowers:
		return nil, fmt.Errorf("%d clients follow already: %w", MaxFollowers, unix.EBUSY)
	}
	if s.followers == nil {
		s.followers = map[*follower]bool{}
	}
	f := &follower{conn: conn, events: make(chan Event, EventBuffer)}
	s.followers[f] = true
	s.following.Store(int32(len(s.followers)))
	return f, nil
}

func (s *Server) removeFollower(f *follower) {
	s.followMu.Lock()
	defer s.followMu.Unlock()
	delete(s.followers, f)
	s.following.Store(int32(len(s.followers)))
}

// endFollowers has every follower sent what is queued for it, within endGrace, and then dropped.
func (s *Server) endFollowers() {
	s.followMu.Lock()
	defer s.followMu.Unlock()
	s.silent = true
	for f := range s.followers {
		f.ending = true
		_ = f.conn.SetWriteDeadline(time.Now().Add(endGrace))
		close(f.events)
		delete(s.followers, f)
	}
	s.following.Store(0)
}
