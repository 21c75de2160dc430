package control

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const nobody = 65534

// connectAs makes the test binary connect to a socket, send a line and print what comes back; see connectOnce.
const connectAs = "CONTROL_TEST_CONNECT"

func TestMain(m *testing.M) {
	if path := os.Getenv(connectAs); path != "" {
		os.Exit(connectOnce(path))
	}
	os.Exit(m.Run())
}

// Exit codes of connectOnce.
const (
	gotReply   = 0
	gotDropped = 3
	gotRefused = 4
)

// connectOnce is the body of the foreign process.
func connectOnce(path string) int {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return gotRefused
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	_, _ = conn.Write([]byte(`{"op":"status"}` + "\n")) // may fail: it was dropped already
	n, _ := conn.Read(make([]byte, 1))
	if n == 0 {
		return gotDropped
	}
	return gotReply
}

// connectAsUID runs connectOnce as another uid.
func connectAsUID(t *testing.T, uid uint32, path string) int {
	t.Helper()
	// By the link: the directory of the test binary may be closed to other users.
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = []string{connectAs + "=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode()
}

// fakeHandler answers from fields and counts calls.
type fakeHandler struct {
	calls   atomic.Int64
	wiped   atomic.Int64 // lists whose names were overwritten
	status  Status
	files   []File
	unmount func(force bool) (Report, error)
	hold    chan struct{} // Status waits for it if set
}

func (h *fakeHandler) Status() Status {
	h.calls.Add(1)
	if h.hold != nil {
		<-h.hold
	}
	return h.status
}

func (h *fakeHandler) Files() ([]File, func()) {
	h.calls.Add(1)
	return h.files, func() { h.wiped.Add(1) }
}

func (h *fakeHandler) Unmount(force bool) (Report, error) {
	h.calls.Add(1)
	return h.unmount(force)
}

// folder returns an empty folder that every uid may look into.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// serve runs a server in dir until the test ends and returns the path of its socket.
func serve(t *testing.T, dir string, owner uint32, h Handler) (*Server, string) {
	t.Helper()
	return serveWithin(t, dir, owner, h, 500*time.Millisecond)
}

// serveWithin is serve with another time for a request to arrive.
func serveWithin(t *testing.T, dir string, owner uint32, h Handler, timeout time.Duration) (*Server, string) {
	t.Helper()
	s, err := Listen(dir, owner, "0-1")
	require.NoError(t, err)
	s.timeout = timeout
	done := make(chan error, 1)
	go func() { done <- s.Serve(h) }()
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, <-done)
		require.Empty(t, sockets(t, dir), "Close removes the socket")
	})
	found := sockets(t, dir)
	require.NotEmpty(t, found)
	return s, filepath.Join(dir, s.name)
}

// sockets lists the names in a folder, unfinished ones included.
func sockets(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// stale makes a socket that nobody listens on.
func stale(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	require.NoError(t, unix.Close(fd))
}

// raw connects without the client's manners.
func raw(t *testing.T, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	return conn
}

func longLine(n int) string { return strings.Repeat("x", n) }

// lineReader reads events without the client's manners.
type lineReader struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Reader
}

func (r *lineReader) next() Event {
	r.t.Helper()
	if r.lines == nil {
		r.lines = bufio.NewReaderSize(r.conn, MaxEvent)
	}
	e, err := readEvent(r.lines)
	require.NoError(r.t, err)
	return e
}
