package control

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// suffix marks a socket that is ready; one being made has another name.
const suffix = ".sock"

// Server is the listening end of one daemon.
type Server struct {
	folder   *os.File // open for /proc/self/fd and for removing the socket
	name     string
	listener *net.UnixListener
	admitted []uint32 // uids that are answered; immutable
	timeout  time.Duration
	patience time.Duration // with a follower that reads nothing

	// mu guards the connections.
	mu      sync.Mutex
	closed  bool            // guarded by mu
	waiting []*net.UnixConn // guarded by mu: no request yet, oldest first
	serving int             // guarded by mu: requests being answered
	replies sync.WaitGroup  // one per connection

	// followMu guards the followers. Like mu it is held for bookkeeping only.
	followMu  sync.Mutex
	followers map[*follower]bool // guarded by followMu
	silent    bool               // guarded by followMu: no more events will come
	following atomic.Int32       // how many followers there are

	// filesMu lets one reply to opFiles be made and sent at a time: they are the large ones.
	filesMu sync.Mutex
}

// Listen opens a socket in folder, which Folder returned. Its name is random behind the label, by which List finds it. The
// mount's owner, root and the caller's own uid are admitted.
func Listen(folder string, owner uint32, label string) (*Server, error) {
	dir, err := openFolder(folder)
	if err != nil {
		return nil, err
	}
	s := &Server{folder: dir, name: labelled(label) + newID() + suffix, timeout: RequestTimeout, patience: ReplyTimeout}
	s.admitted = []uint32{0, uint32(os.Geteuid()), owner}
	if s.listener, err = s.bind(owner); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("listening in %s: %w", folder, err)
	}
	return s, nil
}

// labelled is how the names of sockets with a label begin.
func labelled(label string) string { return label + "." }

// newID is 40 random bits: unique enough for a folder, and no secret.
func newID() string {
	var random [5]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
}

// bind makes the socket under a passing name and renames it once it listens and belongs to the mount's owner, so that
// nobody who looks for stale sockets meets one that does not answer yet.
func (s *Server) bind(owner uint32) (*net.UnixListener, error) {
	passing := passingName(s.name)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: inFolder(s.folder, passing), Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // Close does it, by the name it has then
	dir := int(s.folder.Fd())
	err = unix.Fchmodat(dir, passing, 0o600, 0)
	if err == nil && int(owner) != os.Geteuid() {
		err = unix.Fchownat(dir, passing, int(owner), -1, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil {
		err = unix.Renameat(dir, passing, dir, s.name)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, passing, 0)
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// passingName is the name of a socket while it is being made.
func passingName(name string) string { return "." + name }

// inFolder names a file in an open folder by a path that is short whatever the folder's is.
func inFolder(folder *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), name)
}

// Path names the socket, for whoever removes it when this process is killed.
func (s *Server) Path() string { return filepath.Join(s.folder.Name(), s.name) }

// Folder names the folder of the socket, from which Close removes it.
func (s *Server) Folder() string { return s.folder.Name() }

// Serve answers requests until Close. It always returns nil or the error that stopped it accepting.
func (s *Server) Serve(h Handler) error {
	for {
		conn, err := s.listener.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
			time.Sleep(100 * time.Millisecond) // the client waits in the backlog meanwhile
		case err != nil:
			return err
		case !s.admits(conn) || !s.await(conn):
			_ = conn.Close()
		default:
			go s.converse(conn, h)
		}
	}
}

// admits checks who is at the other end.
func (s *Server) admits(conn *net.UnixConn) bool {
	uid, err := peerUID(conn)
	return err == nil && slices.Contains(s.admitted, uid)
}

// await notes a connection that has to send its request. If there are too many, the oldest makes room: an honest client
// sends at once.
func (s *Server) await(conn *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if len(s.waiting) >= MaxWaiting {
		_ = s.waiting[0].Close()
		s.waiting = s.waiting[1:]
	}
	s.waiting = append(s.waiting, conn)
	s.replies.Add(1)
	return true
}

// begin turns a waiting connection into one being answered; false if it was dropped meanwhile or too many are being
// answered.
func (s *Server) begin(conn *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, conn)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	if s.serving >= MaxServing {
		return false
	}
	s.serving++
	return true
}

func (s *Server) end() {
	s.mu.Lock()
	s.serving--
	s.mu.Unlock()
}

// Close stops accepting, removes the socket, drops connections that have not sent a request, and returns once every
// other reply is sent or given up: the client that asked for the unmount is told how it went before the process exits.
// It is idempotent.
//
// Preconditions: not called from a Handler, whose reply it would wait for.
func (s *Server) Close() {
	s.shut()
	s.replies.Wait()
}

// shut does everything of Close but the waiting.
func (s *Server) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.endFollowers()
	_ = unix.Unlinkat(int(s.folder.Fd()), s.name, 0)
	_ = s.listener.Close()
	for _, conn := range s.waiting {
		_ = conn.Close()
	}
	s.waiting = nil
	_ = s.folder.Close()
}
