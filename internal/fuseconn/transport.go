package fuseconn

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Transport is a wish for the way that requests come.
type Transport string

// The ways. ByRead is read(2) and write(2) on the device, which every kernel
// has. ByRing is io_uring, with one queue for each processor (Linux 6.14).
const (
	Auto   Transport = "auto" // ByRing where the kernel offers it, else ByRead
	ByRead Transport = "dev"
	ByRing Transport = "uring"
)

// State is the way that was chosen, and why it is not a better one; Reason is
// empty if there is none.
type State struct {
	Transport Transport
	Reason    string
}

// ErrNoRings says that requests cannot come by io_uring, which was demanded.
var ErrNoRings = errors.New("no FUSE over io_uring here")

// refusal is ErrNoRings with its cause.
type refusal struct{ cause error }

// Error implements error.
func (r refusal) Error() string { return ErrNoRings.Error() + ": " + r.cause.Error() }

// Hint says what to try next.
func (refusal) Hint() string {
	return "--transport auto mounts without it where it has to; safetmp doctor tells how to switch it on"
}

// Unwrap gives the kind and the cause.
func (r refusal) Unwrap() []error { return []error{ErrNoRings, r.cause} }

// The most bytes that one READ or WRITE carries. Larger requests by ring gain
// little and cost memory for each processor.
const (
	MaxWrite     = 1 << 20
	maxRingWrite = 256 << 10
	minRingWrite = 128 << 10 // an extended attribute of 64 KiB has to fit
)

// mostReaders bounds the threads that read requests.
const mostReaders = 16

// chooseTransport makes what the connection needs to receive requests, and
// returns how many bytes one of them may carry. Rings exist once it returns, or
// are not agreed to: a kernel that waits for a ring that never comes answers no
// request at all.
func (c *Conn) chooseTransport(offered uint64) (maxWrite int, err error) {
	state, readers := State{Transport: ByRead}, max(2, min(runtime.NumCPU(), mostReaders))
	maxWrite = MaxWrite
	if c.want != ByRead {
		n, err := c.makeRings(offered)
		switch {
		case err == nil:
			// Readers get what rings do not carry, and everything if the
			// kernel refuses the rings.
			state, maxWrite, readers = State{Transport: ByRing}, n, 2
		case c.want == ByRing:
			return 0, refusal{err}
		default:
			state.Reason = err.Error()
		}
	}
	c.state.Store(&state)
	keepOneFree(max(readers, c.rings.count()))
	if err := c.makeReaders(readers, maxWrite); err != nil {
		c.rings.abandon()
		c.rings = nil
		c.freeReaders()
		return 0, err
	}
	return maxWrite, nil
}

// keepOneFree gives the Go scheduler a processor more than there are threads
// that requests come to. A thread that waits in the kernel keeps its processor;
// where none is free, the runtime takes it away after 20 microseconds and wakes
// another thread for it, and the request that comes next has to get one first.
func keepOneFree(threads int) {
	if runtime.GOMAXPROCS(0) <= threads {
		runtime.GOMAXPROCS(threads + 1)
	}
}

// makeRings makes the rings if the kernel offers them.
func (c *Conn) makeRings(offered uint64) (maxWrite int, err error) {
	if offered&fuse.CAP_OVER_IO_URING == 0 {
		return 0, errors.New(whyNotOffered())
	}
	cpus, err := possibleCPUs()
	if err != nil {
		return 0, err
	}
	depth, maxWrite, err := ringSizes(cpus)
	if err != nil {
		return 0, err
	}
	c.rings, err = newRings(c, cpus, depth, maxWrite)
	return maxWrite, err
}

// whyNotOffered says why the kernel does not offer rings.
func whyNotOffered() string {
	const parameter = "/sys/module/fuse/parameters/enable_uring"
	text, err := os.ReadFile(parameter)
	switch {
	case err != nil:
		return "the kernel does not know it (Linux 6.14 with CONFIG_FUSE_IO_URING)"
	case strings.TrimSpace(string(text)) == "N":
		return "switched off by " + parameter
	}
	return "not offered by the kernel"
}

// startRings has the rings take over. If the kernel refuses one, it sends every
// request to the readers.
func (c *Conn) startRings() error {
	if c.rings == nil {
		return nil
	}
	err := c.rings.register()
	if err == nil {
		return nil
	}
	c.state.Store(&State{Transport: ByRead, Reason: err.Error()})
	if c.want == ByRing {
		return refusal{err}
	}
	c.log.Warn("no FUSE over io_uring", "reason", err)
	return nil
}

// Memory that rings may take altogether.
const ringBudget = 64 << 20

// ringSizes chooses how many requests each processor's queue has under way and
// how many bytes one of them carries, so that n queues stay within the budget.
func ringSizes(n int) (depth, maxWrite int, err error) {
	for _, s := range []struct{ depth, maxWrite int }{
		{4, maxRingWrite}, {2, maxRingWrite}, {2, minRingWrite},
	} {
		if n*s.depth*(s.maxWrite+headroom) <= ringBudget {
			return s.depth, s.maxWrite, nil
		}
	}
	return 0, 0, fmt.Errorf("rings for %d processors would take too much memory", n)
}

// explainRing adds what may be the cause to a refusal of io_uring.
func explainRing(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (kernel.io_uring_disabled, or a filter of system calls)", err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w (no io_uring in this kernel, or a filter of system calls)", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w (no memory, or none that may be locked: RLIMIT_MEMLOCK)", err)
	}
	return err
}
