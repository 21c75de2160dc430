package control

import (
	"context"
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

// puppet listens in dir and lets play do what it likes with each connection.
func puppet(t *testing.T, dir string, play func(net.Conn)) string {
	t.Helper()
	path := filepath.Join(dir, "puppet"+suffix)
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go play(conn)
		}
	}()
	return path
}

func TestListFindsLiveAndRemovesStale(t *testing.T) {
	first, second := folder(t), folder(t)
	_, a := serve(t, first, 0, &fakeHandler{})
	_, b := serve(t, second, 0, &fakeHandler{})
	dead := filepath.Join(first, "dead"+suffix)
	stale(t, dead)
	other := filepath.Join(first, "unrelated")
	stale(t, other)
	require.NoError(t, os.WriteFile(filepath.Join(second, "file"+suffix), nil, 0o600))
	require.NoError(t, os.Symlink(dead, filepath.Join(second, "link"+suffix)))

	var found []string
	for _, c := range List([]string{first, "/nonexistent", second}) {
		found = append(found, c.Path())
	}
	assert.Equal(t, []string{a, b}, found)
	assert.NoFileExists(t, dead)
	for _, kept := range []string{other, filepath.Join(second, "file"+suffix)} {
		_, err := os.Lstat(kept)
		assert.NoError(t, err, "only stale sockets of ours are removed")
	}
	for _, name := range []string{"unrelated"} {
		require.NoError(t, os.Remove(filepath.Join(first, name)))
	}
	for _, name := range []string{"file" + suffix, "link" + suffix} {
		require.NoError(t, os.Remove(filepath.Join(second, name)))
	}
}

func TestListKeepsUnfinishedSockets(t *testing.T) {
	dir := folder(t)
	passing := filepath.Join(dir, ".abc"+suffix+".x")
	stale(t, passing)
	List([]string{dir})
	assert.NotEmpty(t, sockets(t, dir))
}

func TestDialStale(t *testing.T) {
	path := filepath.Join(folder(t), "dead"+suffix)
	stale(t, path)
	_, err := Dial(path)
	require.ErrorIs(t, err, ErrStale)
	_, err = Dial(filepath.Join(t.TempDir(), "none"+suffix))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestImpostorIsRefused(t *testing.T) {
	hosttest.NeedRoot(t, "to take other uids")
	dir := folder(t)
	path := puppet(t, dir, func(conn net.Conn) { conn.Close() })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	_, err := Dial(path)
	require.ErrorIs(t, err, unix.EPERM, "root's server in a folder of nobody")
	require.NoError(t, os.Chown(dir, 0, 0))
	_, err = Dial(path)
	require.NoError(t, err)
}

func TestHangingDaemonDoesNotHangTheClient(t *testing.T) {
	path := puppet(t, folder(t), func(net.Conn) { select {} })
	c, err := Dial(path)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = c.Status(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = c.Unmount(ctx, true)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestBrokenReplies(t *testing.T) {
	for name, play := range map[string]func(net.Conn){
		"closed":    func(c net.Conn) { c.Close() },
		"nonsense":  func(c net.Conn) { _, _ = io.WriteString(c, "hello\n"); c.Close() },
		"empty":     func(c net.Conn) { _, _ = io.WriteString(c, "{}\n"); c.Close() },
		"truncated": func(c net.Conn) { _, _ = io.WriteString(c, `{"status":{"pid":`); c.Close() },
		"endless": func(c net.Conn) {
			for chunk := strings.Repeat("x", 1<<20); ; {
				if _, err := io.WriteString(c, chunk); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(puppet(t, folder(t), play))
			require.NoError(t, err)
			_, err = c.Status(t.Context())
			assert.Error(t, err)
			_, err = c.Unmount(t.Context(), false)
			assert.Error(t, err)
		})
	}
}

// A socket that is being made refuses connections for a moment; whoever lists the folder meanwhile must not take it for
// a stale one, or the daemon that makes it has none.
func TestListLeavesSocketsThatAreBeingMade(t *testing.T) {
	folder := t.TempDir()
	bound, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(bound)
	passing := filepath.Join(folder, passingName("abc"+suffix))
	require.NoError(t, unix.Bind(bound, &unix.SockaddrUnix{Name: passing}))
	stale := filepath.Join(folder, "def"+suffix)
	other, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Bind(other, &unix.SockaddrUnix{Name: stale}))
	require.NoError(t, unix.Close(other))

	assert.Empty(t, List([]string{folder}))
	assert.FileExists(t, passing)
	assert.NoFileExists(t, stale, "the control: a stale one is removed")
}

// Among many sockets only those of a label are asked, and no label is the beginning of another.
func TestListByLabel(t *testing.T) {
	dir := folder(t)
	names := map[string]string{}
	for _, label := range []string{"0-1", "0-12", "1-1"} {
		s, err := Listen(dir, 0, label)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- s.Serve(&fakeHandler{}) }()
		t.Cleanup(func() { s.Close(); require.NoError(t, <-done) })
		names[label] = s.Path()
	}
	assert.Len(t, List([]string{dir}), 3)
	for label, path := range names {
		found := List([]string{dir}, label)
		require.Len(t, found, 1, label)
		assert.Equal(t, path, found[0].Path())
	}
	assert.Empty(t, List([]string{dir}, "0-"))
	assert.Len(t, List([]string{dir}, "0-1", "1-1"), 2)
}
