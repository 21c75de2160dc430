package control

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// refusedBy is an event that names its number.
func refusedBy(number int) Event {
	return Event{Time: time.Unix(1, 0).UTC(), Kind: EventRefused, RefusedEvent: &RefusedEvent{Rule: "symlinks", PID: uint32(number)}}
}

// followed waits until the server has n followers.
func followed(t *testing.T, s *Server, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return int(s.following.Load()) == n }, 5*time.Second, time.Millisecond)
}

// follow collects events in the background; the channel gets them, and is closed at the end.
func follow(t *testing.T, path string) (<-chan Event, <-chan error) {
	t.Helper()
	c, err := Dial(path)
	require.NoError(t, err)
	events, ended := make(chan Event, 2*EventBuffer), make(chan error, 1)
	go func() {
		ended <- c.Follow(t.Context(), func(e Event) error {
			events <- e
			return nil
		})
	}()
	first := <-events
	require.Equal(t, EventFollowing, first.Kind)
	return events, ended
}

func TestFollow(t *testing.T) {
	s, path := serve(t, folder(t), uint32(os.Geteuid()), &fakeHandler{})
	s.Publish(refusedBy(0)) // nobody follows
	one, oneEnded := follow(t, path)
	two, twoEnded := follow(t, path)
	assert.True(t, s.Followed())
	removed := Event{Time: time.Unix(2, 0).UTC(), Kind: EventRemoved, RemovedEvent: &RemovedEvent{Lifetime: "ttl", Entries: 2, Bytes: 3}}
	ended := Event{Time: time.Unix(3, 0).UTC(), Kind: EventEnded, Report: &Report{Wiped: 5, Complete: true}}
	for _, e := range []Event{refusedBy(1), removed, ended} {
		s.Publish(e)
	}
	for _, events := range []<-chan Event{one, two} {
		assert.Equal(t, refusedBy(1), <-events)
		assert.Equal(t, removed, <-events)
		assert.Equal(t, ended, <-events)
	}
	require.NoError(t, <-oneEnded)
	require.NoError(t, <-twoEnded)
	followed(t, s, 0)
	assert.False(t, (*Server)(nil).Followed())
}

// TestSlowFollower: what does not fit is lost to the slow one alone, who is told how many, and Publish never waits.
func TestSlowFollower(t *testing.T) {
	s, path := serve(t, folder(t), uint32(os.Geteuid()), &fakeHandler{})
	slow := raw(t, path)
	_, err := io.WriteString(slow, `{"op":"events"}`+"\n")
	require.NoError(t, err)
	followed(t, s, 1)

	const published = 50_000
	begun := time.Now()
	for i := range published {
		s.Publish(refusedBy(i))
	}
	assert.Less(t, time.Since(begun), 5*time.Second, "nobody waits for a reader who does not read")
	s.Publish(Event{Kind: EventEnded, Report: &Report{Wiped: 1}})

	lines := &lineReader{t: t, conn: slow}
	require.Equal(t, EventFollowing, lines.next().Kind)
	var told, lost uint64
	for {
		e := lines.next()
		lost += e.Lost
		if e.Kind == EventEnded {
			break
		}
		told++
	}
	assert.EqualValues(t, published, told+lost, "%d told, %d lost", told, lost)
	assert.NotZero(t, lost, "the reader was not too slow: nothing was tested")
	assert.GreaterOrEqual(t, told, uint64(EventBuffer-1))
}

// TestFollowerWhoNeverReads is dropped after a while.
func TestFollowerWhoNeverReads(t *testing.T) {
	s, path := serve(t, folder(t), uint32(os.Geteuid()), &fakeHandler{})
	s.patience = 50 * time.Millisecond
	_, err := io.WriteString(raw(t, path), `{"op":"events"}`+"\n")
	require.NoError(t, err)
	followed(t, s, 1)
	require.Eventually(t, func() bool {
		s.Publish(refusedBy(0))
		return !s.Followed()
	}, 10*time.Second, 10*time.Microsecond)
}

// TestFollowersAreBounded: the ninth is told so; those that hang up make room, as do those that talk.
func TestFollowersAreBounded(t *testing.T) {
	s, path := serve(t, folder(t), uint32(os.Geteuid()), &fakeHandler{})
	var conns []net.Conn
	for range MaxFollowers {
		conn := raw(t, path)
		_, err := io.WriteString(conn, `{"op":"events"}`+"\n")
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	followed(t, s, MaxFollowers)
	c, err := Dial(path)
	require.NoError(t, err)
	err = c.Follow(t.Context(), func(Event) error { return nil })
	require.ErrorIs(t, err, unix.EBUSY)
	_, err = c.Status(t.Context())
	require.NoError(t, err, "followers take nobody's turn")

	require.NoError(t, conns[0].Close())
	_, err = io.WriteString(conns[1], "more")
	require.NoError(t, err)
	followed(t, s, MaxFollowers-2)
	follow(t, path)
}

// TestCloseEndsFollowers: also those that read nothing, in bounded time.
func TestCloseEndsFollowers(t *testing.T) {
	s, path := serve(t, folder(t), uint32(os.Geteuid()), &fakeHandler{})
	_, ended := follow(t, path)
	_, err := io.WriteString(raw(t, path), `{"op":"events"}`+"\n")
	require.NoError(t, err)
	followed(t, s, 2)
	for i := range 5 * EventBuffer {
		s.Publish(refusedBy(i))
	}
	begun := time.Now()
	s.Close()
	assert.Less(t, time.Since(begun), endGrace+2*time.Second)
	require.ErrorIs(t, <-ended, io.ErrUnexpectedEOF, "no end of the mount was told")
}

func TestFollowIsCancelled(t *testing.T) {
	_, path := serve(t, folder(t), uint32(os.Geteuid()), &fakeHandler{})
	c, err := Dial(path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	err = c.Follow(ctx, func(Event) error {
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	enough := fmt.Errorf("enough")
	require.ErrorIs(t, c.Follow(t.Context(), func(Event) error { return enough }), enough)
}

// TestHostileServer: what a client reads of an event is bounded, and has to be one.
func TestHostileServer(t *testing.T) {
	for name, answer := range map[string]string{
		"endless line": longLine(2 * MaxEvent),
		"no JSON":      "}{\n",
		"no event":     "{}\n",
		"cut":          `{"event":`,
	} {
		t.Run(name, func(t *testing.T) {
			path := folder(t) + "/x.sock"
			listener, err := net.Listen("unix", path)
			require.NoError(t, err)
			t.Cleanup(func() { listener.Close() })
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Write([]byte(answer))
					_ = conn.Close()
				}
			}()
			c, err := Dial(path)
			require.NoError(t, err)
			err = c.Follow(t.Context(), func(Event) error { return nil })
			require.Error(t, err)
		})
	}
}
