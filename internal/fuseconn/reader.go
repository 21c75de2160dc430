package fuseconn

import (
	"errors"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// reader is one thread that reads requests from the device.
type reader struct {
	in, out buffer
	pad     scrubPad
	busy    atomic.Bool // a request is being handled
}

// makeReaders makes n readers for requests and replies with payloads of up to
// size bytes.
func (c *Conn) makeReaders(n, size int) error {
	for range n {
		in, err := newBuffer(size + headroom)
		if err != nil {
			return err
		}
		out, err := newBuffer(size + headroom)
		if err != nil {
			in.free()
			return err
		}
		c.readers = append(c.readers, &reader{in: in, out: out})
	}
	return nil
}

func (c *Conn) freeReaders() {
	for _, r := range c.readers {
		r.in.free()
		r.out.free()
	}
	c.readers = nil
}

// loop serves requests on a thread of its own.
func (c *Conn) loop(r *reader) {
	runtime.LockOSThread() // for good: the thread ends with its goroutine
	blockSignals()
	for {
		n, err := unix.Read(c.fd, r.in.bytes)
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
			c.fail("reading requests", err)
			return
		}
	}
}

// serve handles the request in r.in, of n bytes, replies and overwrites both buffers.
func (c *Conn) serve(r *reader, n int) {
	r.busy.Store(true)
	defer r.busy.Store(false)
	in, out := r.in.bytes, r.out.bytes
	reply := c.handle(request{head: in[:n]}, out)
	if len(reply) > 0 {
		c.write(reply)
	}
	clear(in[:n])
	clear(out[:max(len(reply), scratch)])
	scrubRegisters(&r.pad)
}
