package fuseconn

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/fs"
)

// Conn is one connection. Init comes first, then Serve.
type Conn struct {
	fs   *fs.FS
	dev  *os.File
	fd   int
	log  *slog.Logger
	want Transport

	// What Init chooses.
	readers    []*reader
	rings      *rings // nil: every request comes by read(2)
	state      atomic.Pointer[State]
	directMmap bool

	stopping atomic.Bool
	quit     chan struct{} // closed by Stop
	quitOnce sync.Once

	left    sync.WaitGroup // threads that serve requests
	ended   chan struct{}  // closed once none does, or one failed
	endOnce sync.Once
}

// New prepares a connection on dev, which is open on /dev/fuse and mounted, and
// which the connection owns from now on.
func New(dev *os.File, filesystem *fs.FS, log *slog.Logger, want Transport) (*Conn, error) {
	fd := int(dev.Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, fmt.Errorf("fuse device: %w", err)
	}
	c := &Conn{fs: filesystem, dev: dev, fd: fd, log: log, want: want, ended: make(chan struct{}), quit: make(chan struct{})}
	filesystem.PauseWith(c.pause)
	return c, nil
}

// Serve handles requests until the kernel ends the connection, which Done
// tells. It returns at once. Preconditions: Init has succeeded.
//
// Errors: ErrNoRings, if rings were demanded and the kernel refused them after
// all; where they were not, requests come by read(2).
func (c *Conn) Serve() error {
	for _, r := range c.readers {
		c.left.Go(func() { c.loop(r) })
	}
	if err := c.startRings(); err != nil {
		return err
	}
	go c.notifyExpired()
	go func() {
		c.left.Wait()
		c.end()
	}()
	return nil
}

// DirectMmap says whether files that bypass the page cache can be mapped shared
// (Linux 6.6). Preconditions: Init has returned.
func (c *Conn) DirectMmap() bool { return c.directMmap }

// State tells by what way requests come. Preconditions: Init has returned.
func (c *Conn) State() State { return *c.state.Load() }

// Done is closed once the kernel has ended the connection: unmounted and the
// last file closed, or aborted. It is also closed if requests can no longer be
// received; the connection is then to be aborted.
func (c *Conn) Done() <-chan struct{} { return c.ended }

func (c *Conn) end() { c.endOnce.Do(func() { close(c.ended) }) }

// fail gives the connection up: rather no mount than one that does not answer.
func (c *Conn) fail(doing string, err error) {
	c.log.Error("the connection to the kernel is lost", "doing", doing, "error", err)
	c.end()
}

// Stop drains: from now on requests are answered ENODEV, and when it returns
// none is under way.
func (c *Conn) Stop() {
	c.stopping.Store(true)
	c.quitOnce.Do(func() { close(c.quit) })
	for c.busy() {
		time.Sleep(100 * time.Microsecond)
	}
}

// busy says whether a request is being handled.
func (c *Conn) busy() bool {
	for _, r := range c.readers {
		if r.busy.Load() {
			return true
		}
	}
	return c.rings.busy()
}

// Wipe overwrites the buffers of the readers. Those of rings are overwritten
// after each request, and the kernel may put another one there at any time.
// Preconditions: Stop has returned.
func (c *Conn) Wipe() {
	for _, r := range c.readers {
		r.out.wipe()
	}
}

// closeGrace bounds how long Close waits for threads that serve rings.
const closeGrace = time.Second

// Close closes the descriptor, which aborts the connection if it is still
// alive. Buffers stay mapped while a reader may still be blocked on them.
func (c *Conn) Close() error {
	c.rings.close(closeGrace) // they hold the device open
	err := c.dev.Close()
	select {
	case <-c.ended:
		c.freeReaders()
	default:
	}
	return err
}

// pause lets a request wait for d; others are handled meanwhile. It is false if
// that one may not wait, since nobody would be left to serve the others.
func (c *Conn) pause(d time.Duration) bool {
	if q := c.rings.ofThread(unix.Gettid()); q != nil {
		return q.pause(d)
	}
	time.Sleep(d)
	return true
}

// write sends a reply or a notification. ENOENT says that nobody waits for it
// any more, ENODEV that the mount is gone; neither is a fault.
func (c *Conn) write(msg []byte) {
	_, err := unix.Write(c.fd, msg)
	if err == nil || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENODEV) {
		return
	}
	c.log.Error("writing a reply failed", "errno", err, "bytes", len(msg))
}
