package uring

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is one io_uring instance. It belongs to the thread that made it.
type Ring struct {
	fd     int
	memory []byte // both queues
	slots  []byte // submission entries
	mask   uint32 // of the submission queue

	sqHead, sqTail *uint32
	cqHead, cqTail *uint32
	cqMask         uint32
	completions    []completion

	pushed uint32 // operations that are not handed over yet

	// What a waiting call points to is in here, since a stack moves.
	limit unix.Timespec
	wait  waitArgument
}

// completion is struct io_uring_cqe.
type completion struct {
	data   uint64
	result int32
	flags  uint32
}

// New makes a ring for at most entries operations at a time on the given files,
// which operations name by their place in the list.
func New(entries int, files ...int) (*Ring, error) {
	entries = 1 << bits.Len(uint(entries-1))
	p := params{flags: setupFlags, cqEntries: uint32(2 * entries)}
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &Ring{fd: int(fd)}
	r.wait.timespec = uint64(uintptr(unsafe.Pointer(&r.limit)))
	if err := r.prepare(&p, files); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// prepare maps the queues, registers the files, restricts the ring and enables
// it, in the order that io_uring_register(2) asks for.
func (r *Ring) prepare(p *params, files []int) error {
	unix.CloseOnExec(r.fd)
	if p.features&featSingleMmap == 0 {
		return fmt.Errorf("io_uring_setup: %w", unix.EINVAL)
	}
	if err := r.mapQueues(p); err != nil {
		return err
	}
	fds := make([]int32, len(files))
	for i, f := range files {
		fds[i] = int32(f)
	}
	if err := r.register(registerFiles, unsafe.Pointer(&fds[0]), len(fds)); err != nil {
		return fmt.Errorf("io_uring_register of files: %w", err)
	}
	if err := r.register(registerRestrictions, unsafe.Pointer(&restrictions[0]), len(restrictions)); err != nil {
		return fmt.Errorf("io_uring_register of restrictions: %w", err)
	}
	if err := r.register(registerEnable, nil, 0); err != nil {
		return fmt.Errorf("io_uring_register: enabling: %w", err)
	}
	return nil
}

func (r *Ring) register(op int, arg unsafe.Pointer, n int) error {
	_, _, errno := syscall.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), uintptr(op), uintptr(arg), uintptr(n), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// mapQueues maps what the kernel shares with us.
func (r *Ring) mapQueues(p *params) (err error) {
	size := max(p.sqOff.array+p.sqEntries*4, p.cqOff.cqes+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	if r.memory, err = r.mapAt(offQueues, int(size)); err != nil {
		return err
	}
	if r.slots, err = r.mapAt(offSlots, int(p.sqEntries)*slotSize); err != nil {
		return err
	}
	word := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.memory[off])) }
	r.sqHead, r.sqTail, r.mask = word(p.sqOff.head), word(p.sqOff.tail), *word(p.sqOff.ringMask)
	r.cqHead, r.cqTail, r.cqMask = word(p.cqOff.head), word(p.cqOff.tail), *word(p.cqOff.ringMask)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.memory[p.cqOff.cqes])), p.cqEntries)
	array := unsafe.Slice(word(p.sqOff.array), p.sqEntries)
	for i := range array {
		array[i] = uint32(i)
	}
	return nil
}

func (r *Ring) mapAt(offset int64, size int) ([]byte, error) {
	b, err := unix.Mmap(r.fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mapping io_uring: %w", err)
	}
	if err := unix.Madvise(b, unix.MADV_DONTFORK); err != nil {
		_ = unix.Munmap(b)
		return nil, fmt.Errorf("mapping io_uring: %w", err)
	}
	return b, nil
}

// Close gives the ring back. Operations that are under way are cancelled.
func (r *Ring) Close() {
	_ = unix.Close(r.fd)
	for _, b := range [][]byte{r.memory, r.slots} {
		if b != nil {
			_ = unix.Munmap(b)
		}
	}
	r.memory, r.slots, r.completions = nil, nil, nil
}

// Push queues an operation for the next Enter. Preconditions: fewer operations
// are queued or under way than the ring was made for.
func (r *Ring) Push(op *Operation) {
	tail := *r.sqTail
	slot := (*Operation)(unsafe.Pointer(&r.slots[int(tail&r.mask)*slotSize]))
	*slot = *op
	slot.flags |= fixedFile
	atomic.StoreUint32(r.sqTail, tail+1)
	r.pushed++
}

// Submit hands queued operations to the kernel and does not wait. Completions
// of earlier operations do not arrive by it.
func (r *Ring) Submit() error {
	if r.pushed == 0 {
		return nil
	}
	return r.enter(0, 0, nil)
}

// Wait hands queued operations to the kernel and waits until something is
// completed. A signal ends the wait early.
func (r *Ring) Wait() error { return r.enter(1, enterGetevents, nil) }

// WaitFor is Wait that ends after limit at the latest.
func (r *Ring) WaitFor(limit time.Duration) error {
	r.limit = unix.NsecToTimespec(int64(limit))
	return r.enter(1, enterGetevents|enterExtArg, &r.wait)
}

// enter is io_uring_enter(2). What ends a wait early is no error.
func (r *Ring) enter(least, flags uintptr, arg *waitArgument) error {
	var size uintptr
	if arg != nil {
		size = unsafe.Sizeof(*arg)
	}
	n, _, errno := syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.pushed), least, flags,
		uintptr(unsafe.Pointer(arg)), size)
	switch errno {
	case 0:
		r.pushed -= uint32(n)
		return nil
	case unix.EINTR, unix.EAGAIN, unix.EBUSY, unix.ETIME:
		// Whether anything was handed over, the queue tells.
		r.pushed = *r.sqTail - atomic.LoadUint32(r.sqHead)
		return nil
	}
	return fmt.Errorf("io_uring_enter: %w", errno)
}

// Pop takes one completion: the data of its operation and the result, negative
// for an errno.
func (r *Ring) Pop() (data uint64, result int32, ok bool) {
	head := *r.cqHead
	if head == atomic.LoadUint32(r.cqTail) {
		return 0, 0, false
	}
	c := r.completions[head&r.cqMask]
	atomic.StoreUint32(r.cqHead, head+1)
	return c.data, c.result, true
}

// Completed says whether a completion of the operation with this data waits to
// be popped.
func (r *Ring) Completed(data uint64) bool {
	for head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail); head != tail; head++ {
		if r.completions[head&r.cqMask].data == data {
			return true
		}
	}
	return false
}
