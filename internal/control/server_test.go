package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

func TestEachRequest(t *testing.T) {
	h := &fakeHandler{
		status: Status{Mountpoint: "/x", PID: 7, Refusals: map[string]uint64{"symlinks": 3}},
		files:  []File{{Assigned: "abc", Requested: "a\nb\x1b", Size: 5}},
		unmount: func(force bool) (Report, error) {
			if !force {
				return Report{}, fmt.Errorf("/x: %w", unix.EBUSY)
			}
			return Report{Wiped: 4096, Duration: time.Second, Forced: true, Complete: true}, nil
		},
	}
	_, path := serve(t, folder(t), uint32(os.Geteuid()), h)
	c, err := Dial(path)
	require.NoError(t, err)
	assert.EqualValues(t, os.Geteuid(), c.ServerUID())
	assert.Equal(t, path, c.Path())

	status, err := c.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, h.status, status)

	files, more, err := c.Files(t.Context())
	require.NoError(t, err)
	assert.Zero(t, more)
	assert.Equal(t, h.files, files)

	_, err = c.Unmount(t.Context(), false)
	require.ErrorIs(t, err, unix.EBUSY)
	assert.Equal(t, "/x: device or resource busy", err.Error())
	report, err := c.Unmount(t.Context(), true)
	require.NoError(t, err)
	assert.Equal(t, Report{Wiped: 4096, Duration: time.Second, Forced: true, Complete: true}, report)
}

func TestLongListsAreCut(t *testing.T) {
	h := &fakeHandler{files: make([]File, MaxFiles+5)}
	for i := range h.files {
		h.files[i].Requested = strings.Repeat("\x01", 255) // the longest a name becomes in JSON
	}
	_, path := serve(t, folder(t), 0, h)
	c, err := Dial(path)
	require.NoError(t, err)
	files, more, err := c.Files(t.Context())
	require.NoError(t, err, "a full reply fits MaxReply")
	assert.Len(t, files, MaxFiles)
	assert.Equal(t, 5, more)
	assert.Eventually(t, func() bool { return h.wiped.Load() == 1 }, time.Second, time.Millisecond, "the names are overwritten")
}

func TestMalformedRequests(t *testing.T) {
	h := &fakeHandler{}
	_, path := serve(t, folder(t), 0, h)
	for line, says := range map[string]string{
		"\n":                           "malformed",
		"{}\n":                         "unknown request",
		"status\n":                     "malformed",
		`{"op":"rm -rf"}` + "\n":       "unknown request",
		`{"op":"status","x":1}` + "\n": "malformed",
		`{"op":7}` + "\n":              "malformed",
		"\x00\xff\n":                   "malformed",
		longLine(MaxRequest+1) + "\n":  "longer than",
		longLine(1 << 20):              "longer than",
		`{"op":"` + longLine(MaxRequest-10) + "\"}\n": "unknown request",
	} {
		conn := raw(t, path)
		go func() { _, _ = io.WriteString(conn, line) }() // the server may stop reading
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if says == "longer than" && errors.Is(err, unix.ECONNRESET) {
			continue // unread bytes of ours made the kernel drop the reply
		}
		require.NoError(t, err)
		assert.Contains(t, answer, says, "%.40q", line)
		assert.Less(t, len(answer), 200)
	}
	assert.Zero(t, h.calls.Load())
}

func TestHangingClientIsDropped(t *testing.T) {
	h := &fakeHandler{}
	_, path := serve(t, folder(t), 0, h)
	conn := raw(t, path)
	_, err := io.WriteString(conn, `{"op":"sta`)
	require.NoError(t, err)
	begun := time.Now()
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "no complete request")
	assert.Less(t, time.Since(begun), 5*time.Second)
	assert.Zero(t, h.calls.Load())
}

func TestFloodDoesNotKeepAnybodyOut(t *testing.T) {
	h := &fakeHandler{status: Status{PID: 7}}
	s, path := serveWithin(t, folder(t), 0, h, time.Hour) // only making room can help
	var flood []net.Conn
	for range 5 * MaxWaiting {
		flood = append(flood, raw(t, path))
		if len(flood)%MaxWaiting == 0 {
			c, err := Dial(path)
			require.NoError(t, err)
			status, err := c.Status(t.Context())
			require.NoError(t, err, "after %d connections that say nothing", len(flood))
			assert.Equal(t, 7, status.PID)
		}
	}
	_, err := flood[0].Read(make([]byte, 1))
	assert.Error(t, err, "the oldest made room")
	s.mu.Lock()
	waiting := len(s.waiting)
	s.mu.Unlock()
	assert.LessOrEqual(t, waiting, MaxWaiting)
}

func TestRequestsBeingAnsweredAreBounded(t *testing.T) {
	h := &fakeHandler{hold: make(chan struct{})}
	_, path := serve(t, folder(t), 0, h)
	for range MaxServing {
		conn := raw(t, path)
		_, err := io.WriteString(conn, `{"op":"status"}`+"\n")
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return h.calls.Load() == MaxServing }, 5*time.Second, time.Millisecond)
	one := raw(t, path)
	_, err := io.WriteString(one, `{"op":"status"}`+"\n")
	require.NoError(t, err)
	_, err = one.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	assert.EqualValues(t, MaxServing, h.calls.Load())
	close(h.hold)
}

func TestForeignUIDIsDroppedUnheard(t *testing.T) {
	hosttest.NeedRoot(t, "to take other uids")
	h := &fakeHandler{}
	_, path := serve(t, folder(t), 0, h)
	assert.Equal(t, gotRefused, connectAsUID(t, nobody, path), "the socket's mode keeps others out")
	require.NoError(t, os.Chmod(path, 0o666))
	assert.Equal(t, gotDropped, connectAsUID(t, nobody, path), "and so does the check of the peer")
	assert.Zero(t, h.calls.Load())
	assert.Equal(t, gotReply, connectAsUID(t, 0, path), "the attack reached a live server")
}

func TestOwnerOfTheMountIsAnswered(t *testing.T) {
	hosttest.NeedRoot(t, "to take other uids")
	_, path := serve(t, folder(t), nobody, &fakeHandler{})
	assert.Equal(t, gotReply, connectAsUID(t, nobody, path))
	assert.Equal(t, gotReply, connectAsUID(t, 0, path))
	assert.Equal(t, gotRefused, connectAsUID(t, nobody-1, path))
}

func TestCloseWaitsForReplies(t *testing.T) {
	unmounting, finish := make(chan struct{}), make(chan struct{})
	h := &fakeHandler{unmount: func(bool) (Report, error) {
		close(unmounting)
		<-finish
		return Report{Complete: true}, nil
	}}
	dir := folder(t)
	s, path := serve(t, dir, 0, h)
	idle := raw(t, path)
	c, err := Dial(path)
	require.NoError(t, err)
	replied := make(chan error, 1)
	go func() {
		_, err := c.Unmount(context.Background(), false)
		replied <- err
	}()
	<-unmounting
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	_, err = idle.Read(make([]byte, 1))
	require.Error(t, err, "a connection without a request is dropped at once")
	require.Eventually(t, func() bool { return len(sockets(t, dir)) == 0 }, 5*time.Second, time.Millisecond)
	select {
	case <-closed:
		t.Fatal("Close returned before the reply was sent")
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	require.NoError(t, <-replied)
	<-closed
}

func TestPanicInHandlerIsContained(t *testing.T) {
	h := &fakeHandler{unmount: func(bool) (Report, error) { panic("bug") }, status: Status{PID: 7}}
	_, path := serve(t, folder(t), 0, h)
	c, err := Dial(path)
	require.NoError(t, err)
	_, err = c.Unmount(t.Context(), false)
	require.ErrorIs(t, err, unix.EIO)
	_, err = c.Status(t.Context())
	assert.NoError(t, err)
}

func TestListenRefusesALinkedFolder(t *testing.T) {
	dir := folder(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	_, err := Listen(link, 0, "0-1")
	assert.Error(t, err)
}

func TestSocketInALongFolder(t *testing.T) {
	dir := filepath.Join(folder(t), strings.Repeat("d", 100), strings.Repeat("e", 100))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	_, path := serve(t, dir, 0, &fakeHandler{})
	require.Greater(t, len(path), 107, "more than a socket address holds")
	c, err := Dial(path)
	require.NoError(t, err)
	_, err = c.Status(t.Context())
	assert.NoError(t, err)
}
