package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrStale means that a socket is there and nobody listens: its daemon was killed.
var ErrStale = errors.New("no daemon behind this socket")

// Client asks one daemon. It holds no connection: each call makes its own. Immutable once Dial returned it.
type Client struct {
	folder string
	name   string
	server uint32 // uid of the daemon, when Dial met it
}

// Dial returns the client of the socket at path, once it has been seen to answer connections.
//
// Errors: ErrStale; unix.EPERM for a socket that is served by somebody who has no business there; unix.EACCES for a
// socket that does not admit the caller.
func Dial(path string) (*Client, error) {
	c := &Client{folder: filepath.Dir(path), name: filepath.Base(path)}
	conn, err := c.connect(context.Background())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c.server, err = peerUID(conn)
	return c, err
}

// List returns clients for the live sockets in the folders, of all labels or of those that are named. It removes stale
// ones where it may, and skips what does not admit the caller. A label is a hint: who answers is for the caller to check.
func List(folders []string, labels ...string) []*Client {
	var clients []*Client
	for _, folder := range folders {
		clients = append(clients, listFolder(folder, labels)...)
	}
	return clients
}

// listFolder lists one folder. Removal goes through the open folder: root looks into folders of users, who must not be
// able to lead it elsewhere in between (CWE-367).
func listFolder(folder string, labels []string) []*Client {
	dir, err := openFolder(folder)
	if err != nil {
		return nil // a folder that is not there holds no sockets
	}
	defer dir.Close()
	entries, _ := os.ReadDir(inFolder(dir, "."))
	var clients []*Client
	for _, e := range entries {
		if !isReady(e.Name()) || e.Type() != os.ModeSocket || !hasLabel(e.Name(), labels) {
			continue
		}
		c, err := Dial(filepath.Join(folder, e.Name()))
		switch {
		case err == nil:
			clients = append(clients, c)
		case errors.Is(err, ErrStale):
			_ = unix.Unlinkat(int(dir.Fd()), e.Name(), 0)
		}
	}
	return clients
}

// hasLabel says whether a socket's name has one of the labels; none asks for no one in particular.
func hasLabel(name string, labels []string) bool {
	return len(labels) == 0 || slices.ContainsFunc(labels, func(l string) bool { return strings.HasPrefix(name, labelled(l)) })
}

// isReady says whether a name is that of a socket that listens, or did: one that is being made refuses connections too.
func isReady(name string) bool {
	return strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, passingName(""))
}

// openFolder opens a folder of sockets as a place only. It does not follow a link in the folder's place.
func openFolder(folder string) (*os.File, error) {
	return os.OpenFile(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// Path returns the path of the socket.
func (c *Client) Path() string { return filepath.Join(c.folder, c.name) }

// ServerUID returns the uid that the daemon had when the client was made.
func (c *Client) ServerUID() uint32 { return c.server }

// Status asks for the status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	answer, err := c.ask(ctx, request{Op: opStatus}, StatusTimeout)
	if err != nil {
		return Status{}, err
	}
	if answer.Status == nil {
		return Status{}, fmt.Errorf("status of %s: empty reply", c.Path())
	}
	return *answer.Status, nil
}

// Files asks for the entries of the naming roots; more counts those left out of a very long list.
func (c *Client) Files(ctx context.Context) (files []File, more int, err error) {
	answer, err := c.ask(ctx, request{Op: opFiles}, FilesTimeout)
	return answer.Files, answer.More, err
}

// Unmount ends the mount and returns once it is wiped. The wait is bounded by ctx alone: wiping takes as long as it
// takes.
func (c *Client) Unmount(ctx context.Context, force bool) (Report, error) {
	answer, err := c.ask(ctx, request{Op: opUnmount, Force: force}, 0)
	if err != nil {
		return Report{}, err
	}
	if answer.Report == nil {
		return Report{}, fmt.Errorf("unmount by %s: empty reply", c.Path())
	}
	return *answer.Report, nil
}

// Follow calls each with the events of the mount as they happen, EventFollowing first, and returns nil after EventEnded.
//
// Errors: what each returned; that of ctx; io.ErrUnexpectedEOF if the daemon is gone or has dropped a client that was too
// slow; unix.EBUSY if too many follow already.
func (c *Client) Follow(ctx context.Context, each func(Event) error) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := json.NewEncoder(conn).Encode(request{Op: opEvents}); err != nil {
		return err
	}
	for lines := bufio.NewReaderSize(conn, MaxEvent); ; {
		e, err := readEvent(lines)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
		if err := each(e); err != nil || e.Kind == EventEnded {
			return err
		}
	}
}

// readEvent reads one line of at most MaxEvent bytes.
func readEvent(lines *bufio.Reader) (Event, error) {
	line, err := lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return Event{}, fmt.Errorf("event longer than %d bytes", MaxEvent)
	case err != nil:
		return Event{}, io.ErrUnexpectedEOF
	}
	var answer reply
	switch err := json.Unmarshal(line, &answer); {
	case err != nil:
		return Event{}, err
	case answer.Error != nil:
		return Event{}, answer.Error
	case answer.Event == nil:
		return Event{}, errors.New("a line without an event")
	}
	return *answer.Event, nil
}

// ask sends one request and reads the reply to its end, which comes when the daemon closes the connection. A timeout of
// 0 is none.
func (c *Client) ask(ctx context.Context, req request, timeout time.Duration) (reply, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	answer, err := exchange(conn, req)
	if ctx.Err() != nil {
		return reply{}, fmt.Errorf("the daemon behind %s does not answer: %w", c.Path(), ctx.Err())
	}
	if err != nil {
		return reply{}, fmt.Errorf("asking %s: %w", c.Path(), err)
	}
	if answer.Error != nil {
		return reply{}, answer.Error
	}
	return answer, nil
}

// exchange writes the request line and reads the reply.
func exchange(conn io.ReadWriter, req request) (reply, error) {
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return reply{}, err
	}
	text, err := io.ReadAll(io.LimitReader(conn, MaxReply+1))
	switch {
	case err != nil:
		return reply{}, err
	case len(text) > MaxReply:
		return reply{}, fmt.Errorf("reply longer than %d bytes", MaxReply)
	case len(text) == 0:
		return reply{}, io.ErrUnexpectedEOF
	}
	var answer reply
	err = json.Unmarshal(text, &answer)
	return answer, err
}

// connect opens a connection and checks who serves it, so that nobody answers for a mount of somebody else.
func (c *Client) connect(ctx context.Context) (*net.UnixConn, error) {
	folder, err := openFolder(c.folder)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", inFolder(folder, c.name))
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return nil, fmt.Errorf("%s: %w", c.Path(), ErrStale)
	case err != nil:
		return nil, err
	}
	unixConn := conn.(*net.UnixConn) // what the network "unix" gives
	if err := checkServer(folder, unixConn); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", c.Path(), err)
	}
	return unixConn, nil
}

// checkServer accepts the owner of the folder, who must be root or the caller; root accepts every owner.
func checkServer(folder *os.File, conn *net.UnixConn) error {
	server, err := peerUID(conn)
	if err != nil {
		return err
	}
	info, err := folder.Stat()
	if err != nil {
		return err
	}
	owner, ok := ownerOf(info)
	self := os.Geteuid()
	if !ok || int(server) != owner || (owner != 0 && owner != self && self != 0) {
		return fmt.Errorf("served by uid %d in a folder of uid %d: %w", server, owner, unix.EPERM)
	}
	return nil
}
