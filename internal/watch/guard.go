package watch

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/internal/mount"
)

const (
	startBound  = 30 * time.Second // for the watcher to be ready, however busy the machine is
	answerBound = 30 * time.Second // for an unmount
	endBound    = 2 * time.Second  // for the watcher to exit
)

// ErrLost says that the watcher has been killed: somebody else has to unmount. It matches unix.EPERM.
var ErrLost = fmt.Errorf("the watcher was lost, and the daemon itself may not unmount: %w", unix.EPERM)

// Guard is the daemon's end: the watcher, as it sees it. A nil Guard is that of a daemon without one: it unmounts by
// itself.
type Guard struct {
	path    string   // immutable, for messages
	conn    *os.File // packets
	answers chan packet
	ended   chan struct{} // closed when the watcher has ended and was waited for

	ending atomic.Bool // the watcher was told to end
	lost   atomic.Bool // it did not answer

	// mu makes a request and its answer one.
	mu   sync.Mutex
	mute bool // guarded by mu: an answer did not come in time, so a later one could be mistaken
}

// packet is one answer.
type packet struct {
	kind byte
	text string
}

// Start executes the watcher of a mount that is not served yet and returns once it watches. words are the arguments
// that make this program call Serve. It takes m.Covered.
func Start(words []string, m *mount.Mounted) (*Guard, error) {
	defer m.Covered.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("starting the watcher: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "watcher")
	defer theirs.Close()
	if err := unix.SetNonblock(pair[0], true); err != nil { // so that waiting takes no thread
		_ = unix.Close(pair[0])
		return nil, fmt.Errorf("starting the watcher: %w", err)
	}
	g := &Guard{
		path: m.Mountpoint, conn: os.NewFile(uintptr(pair[0]), "watcher"),
		answers: make(chan packet, 1), ended: make(chan struct{}),
	}
	process, err := startProcess(words, m, theirs)
	if err != nil {
		_ = g.conn.Close()
		return nil, fmt.Errorf("starting the watcher: %w", err)
	}
	_ = theirs.Close() // so that its end is seen
	go g.read(process)
	if err := g.awaitReady(process); err != nil {
		return nil, err
	}
	return g, nil
}

// startProcess executes this program in a session of its own, where no terminal can signal it, with nothing of ours
// but what it needs.
func startProcess(words []string, m *mount.Mounted, socket *os.File) (*os.Process, error) {
	// Descriptors that our caller left open must not live on in the watcher, see close_range(2).
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	argv := append([]string{"safetmp"}, words...)
	argv = append(argv, strconv.Itoa(m.ID), m.Device.String(), strconv.FormatUint(m.Unique, 10), m.Mountpoint)
	return os.StartProcess("/proc/self/exe", argv, &os.ProcAttr{
		Dir:   "/",
		Env:   environment(os.Environ()),
		Files: []*os.File{null, null, null, socket, m.Covered},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// environment keeps what finding fusermount3 and the Go runtime need, and keeps the runtime small.
func environment(all []string) []string {
	env := []string{"GOMAXPROCS=1"}
	for _, pair := range all {
		if strings.HasPrefix(pair, "PATH=") || strings.HasPrefix(pair, "GORACE=") || strings.HasPrefix(pair, "GOCOVERDIR=") {
			env = append(env, pair)
		}
	}
	return env
}

// awaitReady waits for the first packet.
func (g *Guard) awaitReady(process *os.Process) error {
	select {
	case p, ok := <-g.answers:
		if ok && p.text != "" {
			slog.Info("the directory below the mount keeps its mode", "error", p.text)
		}
		if ok {
			return nil
		}
	case <-time.After(startBound):
	}
	g.ending.Store(true)
	_ = process.Kill()
	<-g.ended
	_ = g.conn.Close()
	return errors.New("the watcher did not start")
}

// read takes the watcher's packets until its end, and waits for the process.
func (g *Guard) read(process *os.Process) {
	defer close(g.ended)
	buf := make([]byte, packetMost)
	for {
		n, err := g.conn.Read(buf)
		if err != nil || n == 0 {
			break
		}
		g.answers <- packet{buf[0], string(buf[1:n])}
	}
	close(g.answers)
	_, _ = process.Wait()
	if !g.ending.Load() {
		slog.Warn("the watcher was lost: the mount has to be unmounted from outside", "mountpoint", g.path)
	}
}

// ask sends a request and returns the answer; false if there is none, and the watcher counts as lost from then on.
func (g *Guard) ask(kind byte, text string) (p packet, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() {
		if !ok {
			g.lost.Store(true)
		}
	}()
	if g.mute {
		return packet{}, false
	}
	if _, err := g.conn.Write(append([]byte{kind}, text...)); err != nil {
		return packet{}, false
	}
	select {
	case p, ok := <-g.answers:
		return p, ok
	case <-time.After(answerBound):
		g.mute = true
		return packet{}, false
	}
}

// Unmount is mount.Unmount, by the watcher.
func (g *Guard) Unmount(e mount.Entry) error { return g.end(askUnmount, e, mount.Unmount) }

// ForceDetach is mount.ForceDetach, by the watcher.
func (g *Guard) ForceDetach(e mount.Entry) error { return g.end(askForce, e, mount.ForceDetach) }

// end asks for one way to end the mount.
func (g *Guard) end(kind byte, e mount.Entry, directly func(mount.Entry) error) error {
	if g == nil {
		return directly(e)
	}
	p, ok := g.ask(kind, "")
	if !ok {
		return &mount.Error{Op: "unmount", Path: e.Mountpoint, Err: ErrLost}
	}
	return errorOf(e.Mountpoint, p.kind, p.text)
}

// Lost reports whether the watcher left a request unanswered, that of End included: somebody else had to unmount.
func (g *Guard) Lost() bool { return g != nil && g.lost.Load() }

// Announce tells the watcher of the daemon's control socket, which it removes if the daemon dies.
func (g *Guard) Announce(socket string) {
	if g != nil {
		_, _ = g.ask(tellSocket, socket)
	}
}

// End says that the daemon exits in good order: what is still mounted is detached, the covered directory gets its mode
// back, the watcher exits. It returns once that has happened.
func (g *Guard) End() {
	if g == nil {
		return
	}
	g.ending.Store(true)
	_, _ = g.ask(askEnd, "")
	select {
	case <-g.ended:
	case <-time.After(endBound):
	}
	_ = g.conn.Close()
}
