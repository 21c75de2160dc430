package fuseconn

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/fs"
)

// MaxWrite is the most bytes that one READ or WRITE carries. Mount options and
// INIT must agree on it.
const MaxWrite = 1 << 20

// Conn is one connection. Init comes first, then Serve.
type Conn struct {
	fs      *fs.FS
	dev     *os.File
	fd      int
	log     *slog.Logger
	readers []*reader

	directMmap bool // set by Init

	stopping atomic.Bool
	ended    chan struct{} // closed once every reader has left
	quit     chan struct{} // closed by Stop
	quitOnce sync.Once
}

// reader is one thread that serves requests.
type reader struct {
	in, out []byte
	pad     scrubPad
	busy    atomic.Bool // a request is being handled
}

// New prepares a connection on dev, which is open on /dev/fuse and mounted, and
// which the connection owns from now on.
func New(dev *os.File, filesystem *fs.FS, log *slog.Logger) (*Conn, error) {
	fd := int(dev.Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, fmt.Errorf("fuse device: %w", err)
	}
	c := &Conn{fs: filesystem, dev: dev, fd: fd, log: log, ended: make(chan struct{}), quit: make(chan struct{})}
	for range max(2, min(runtime.NumCPU(), 16)) {
		r, err := newReader()
		if err != nil {
			c.unmap()
			return nil, err
		}
		c.readers = append(c.readers, r)
	}
	return c, nil
}

// Serve handles requests until the kernel ends the connection, which Done
// tells. It returns at once.
func (c *Conn) Serve() {
	var wg sync.WaitGroup
	for _, r := range c.readers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread() // for good: the thread ends with its goroutine
			blockSignals()
			c.loop(r)
		}()
	}
	go c.notifyExpired()
	go func() {
		wg.Wait()
		close(c.ended)
	}()
}

// DirectMmap says whether files that bypass the page cache can be mapped shared
// (Linux 6.6). Preconditions: Init has returned.
func (c *Conn) DirectMmap() bool { return c.directMmap }

// Done is closed once the kernel has ended the connection: unmounted and the
// last file closed, or aborted.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// Stop drains: from now on requests are answered ENODEV, and when it returns
// none is under way.
func (c *Conn) Stop() {
	c.stopping.Store(true)
	c.quitOnce.Do(func() { close(c.quit) })
	for _, r := range c.readers {
		for r.busy.Load() {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// Wipe overwrites the request buffers. Preconditions: Stop has returned.
func (c *Conn) Wipe() {
	for _, r := range c.readers {
		clear(r.out)
	}
}

// Close closes the descriptor, which aborts the connection if it is still
// alive. The buffers stay mapped while a reader may still be blocked on them.
func (c *Conn) Close() error {
	err := c.dev.Close()
	select {
	case <-c.ended:
		c.unmap()
	default:
	}
	return err
}

func (c *Conn) unmap() {
	for _, r := range c.readers {
		freeBuffer(r.in)
		freeBuffer(r.out)
	}
	c.readers = nil
}

// loop serves requests on one thread.
func (c *Conn) loop(r *reader) {
	for {
		n, err := unix.Read(c.fd, r.in)
		switch {
		case err == nil && n > 0:
			c.serve(r, n)
		case err == nil:
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOENT):
			// ENOENT: the request was interrupted before it was read.
		case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ECONNABORTED):
			return
		default:
			c.log.Error("reading requests failed", "errno", err)
			return
		}
	}
}

// serve handles the request in r.in[:n], replies and overwrites both buffers.
func (c *Conn) serve(r *reader, n int) {
	r.busy.Store(true)
	defer r.busy.Store(false)
	reply := c.handle(r.in[:n], r.out)
	if len(reply) > 0 {
		c.write(reply)
	}
	clear(r.in[:n])
	clear(r.out[:max(len(reply), scratch)])
	scrubRegisters(&r.pad)
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
