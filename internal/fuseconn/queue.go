package fuseconn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/internal/uring"
)

// Commands of FUSE over io_uring (enum fuse_uring_cmd).
const (
	cmdRegister = 1 // here is a buffer for a request
	cmdCommit   = 2 // here is the reply, and the buffer is free for another one
)

// Files of a queue's ring.
const (
	deviceFile = iota
	wakeFile
)

// wakeData marks the completion that is no request.
const wakeData = ^uint64(0)

// mostRenewals bounds how often a queue gives the kernel a buffer again that it
// has refused.
const mostRenewals = 8

// queue serves the requests that come from programs on one processor. All but
// the channels and what is atomic belongs to its thread.
type queue struct {
	conn    *Conn
	id      int
	tid     int // set before prepared is sent to
	ring    *uring.Ring
	slots   []*slot
	live    int // slots that are not lost
	renewed int
	pad     scrubPad

	busy    atomic.Int32 // requests that are being handled
	closing atomic.Bool
	wake    int // eventfd(2) that ends the wait

	prepared   chan error    // whether the ring and its buffers exist
	begin      chan struct{} // give them to the kernel, or closed: do not
	registered chan error    // whether it took them
	gone       chan struct{} // closed once the thread is
}

func newQueue(c *Conn, id int) *queue {
	return &queue{conn: c, id: id, wake: -1, prepared: make(chan error, 1), begin: make(chan struct{}),
		registered: make(chan error, 1), gone: make(chan struct{})}
}

// run is the life of the queue's thread.
func (q *queue) run(depth, maxWrite int) {
	runtime.LockOSThread() // for good: the thread ends with its goroutine
	defer close(q.gone)
	defer q.free()
	blockSignals()
	pin(q.id)
	q.tid = unix.Gettid()
	err := q.prepare(depth, maxWrite)
	q.prepared <- err
	if err != nil {
		return
	}
	if _, wanted := <-q.begin; !wanted {
		return
	}
	defer q.conn.left.Done()
	err = q.register()
	q.registered <- err
	if err == nil {
		q.serve()
	}
}

// prepare makes the ring and all buffers. It uses the ring once: where that is
// not permitted, requests would never be answered.
func (q *queue) prepare(depth, maxWrite int) (err error) {
	if q.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if q.ring, err = uring.New(depth+1, q.conn.fd, q.wake); err != nil {
		return err
	}
	for range depth {
		s, err := newSlot(maxWrite)
		if err != nil {
			return err
		}
		q.slots = append(q.slots, s)
	}
	q.ring.Push(uring.Poll(wakeFile, wakeData))
	return q.ring.Submit()
}

// free gives back what prepare made.
func (q *queue) free() {
	if q.ring != nil {
		q.ring.Close()
	}
	if q.wake >= 0 {
		_ = unix.Close(q.wake)
	}
	for _, s := range q.slots {
		s.buffer.free()
	}
}

// register gives the buffers to the kernel. A refusal is completed at once. If
// they cannot even be handed over, the kernel would wait for them for ever.
func (q *queue) register() error {
	for i := range q.slots {
		q.offer(i)
	}
	if err := q.ring.Submit(); err != nil {
		q.conn.fail("giving buffers to the kernel", err)
		return err
	}
	var refused error
	for {
		data, result, ok := q.ring.Pop()
		switch {
		case !ok && q.live > 0:
			return nil
		case !ok:
			return fmt.Errorf("registering with the kernel: %w", refused)
		case data != wakeData:
			q.live--
			refused = unix.Errno(-result)
		}
	}
}

// offer gives the kernel a slot for the first time.
func (q *queue) offer(i int) {
	q.live++
	q.ring.Push(q.command(cmdRegister, 0, i).WithMemory(q.slots[i].address(), 2))
}

// command is a command about a slot.
func (q *queue) command(command uint32, commitID uint64, i int) *uring.Operation {
	var payload [80]byte // struct fuse_uring_cmd_req
	binary.NativeEndian.PutUint64(payload[8:], commitID)
	binary.NativeEndian.PutUint16(payload[16:], uint16(q.id))
	return uring.Command(deviceFile, command, payload, uint64(i))
}

// serve handles requests until the kernel has taken every slot back, or close
// was called.
func (q *queue) serve() {
	for q.live > 0 && !q.closing.Load() {
		if err := q.ring.Wait(); err != nil {
			q.conn.fail("waiting for requests", err)
			return
		}
		q.drain()
	}
}

// drain handles what has arrived.
func (q *queue) drain() {
	for {
		data, result, ok := q.ring.Pop()
		switch {
		case !ok:
			return
		case data == wakeData:
			return // closing is set
		case result < 0:
			q.lost(int(data), unix.Errno(-result))
		default:
			q.answer(int(data))
		}
	}
}

// lost notes that the kernel has given a slot up: all of them at the end of
// the connection. Otherwise it is offered anew, lest a queue without slots
// keep its callers waiting for ever.
func (q *queue) lost(i int, why error) {
	q.live--
	switch {
	case errors.Is(why, unix.ENOTCONN), errors.Is(why, unix.ECONNABORTED), errors.Is(why, unix.ECANCELED):
		return
	case q.renewed < mostRenewals:
		q.renewed++
		q.conn.log.Warn("the kernel refused a reply", "errno", why)
		q.offer(i)
	case q.live == 0:
		q.conn.fail("answering", why)
	}
}

// answer handles the request in a slot and gives the slot back with the
// reply. Contents are overwritten before the kernel can put another request
// there, and before anything else is waited for.
func (q *queue) answer(i int) {
	q.busy.Add(1)
	defer q.busy.Add(-1)
	s := q.slots[i]
	op, commitID := s.header().Opcode, s.commitID()
	n := s.reply(q.conn.handle(s.request(), s.out))
	q.ring.Push(q.command(cmdCommit, commitID, i))
	if n > 0 && carriesContents(op) {
		q.commitContents(i, n)
	}
	scrubRegisters(&q.pad)
}

// commitContents sends a reply whose n bytes must not stay in the buffer. The
// kernel may have put the next request in the place of the first of them.
func (q *queue) commitContents(i, n int) {
	if err := q.ring.Submit(); err != nil {
		q.conn.fail("answering", err)
		return
	}
	s, kept := q.slots[i], 0
	if q.ring.Completed(uint64(i)) {
		kept = s.payloadSize()
	}
	clear(s.payload()[min(kept, n):n])
}

// pause serves the queue while one of its requests waits for d, unless that one
// holds the last slot.
func (q *queue) pause(d time.Duration) bool {
	if int(q.busy.Load()) >= q.live || q.ring.WaitFor(d) != nil {
		return false
	}
	q.drain()
	return true
}

// close makes the thread leave.
func (q *queue) close() {
	q.closing.Store(true)
	var one [8]byte
	one[0] = 1
	_, _ = unix.Write(q.wake, one[:])
}

// carriesContents says whether the reply to an operation may hold contents,
// values of attributes or names.
func carriesContents(op uint32) bool {
	switch op {
	case opRead, opGetxattr, opListxattr, opReadlink, opReaddir, opReaddirplus:
		return true
	}
	return false
}
