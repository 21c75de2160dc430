package fuseconn

import "golang.org/x/sys/unix"

// blockSignals keeps signals away from the calling thread. Each one that
// interrupts the copying of contents would have the kernel save the registers,
// with contents in them, on the thread's signal stack, where they would stay.
// The Go runtime still preempts the thread at function calls; it only loses the
// signal (SIGURG) by which it interrupts long loops, of which a reader has none.
// The signal by which a process changes something on all its threads gets
// through: one of them that blocked it would stop all. It is sent when the
// daemon is hardened, before there are any contents.
func blockSignals() {
	const allThreads = 33 // SIGSETXID of the C library; package syscall uses the same
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	all.Val[0] &^= 1 << (allThreads - 1)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil)
}

// scrubPad is where the zeros of scrubRegisters go.
type scrubPad [1024]byte

// zeros is never written.
var zeros scrubPad

// scrubRegisters overwrites the vector registers through which contents were
// copied: the kernel would save them on the thread's signal stack, which is
// memory of the Go runtime, when the next signal arrives. Copies of each size
// class go through the registers that the runtime uses for that class.
func scrubRegisters(pad *scrubPad) {
	for _, n := range [...]int{7, 15, 31, 63, 127, 255, 511, len(pad)} {
		copy(pad[:n], zeros[:n])
	}
}

// ScrubThread overwrites what the work of the calling thread with names has left in its registers, and in the frame of
// the last signal that it took. Preconditions: the goroutine has been locked to its thread since before that work.
func ScrubThread() {
	var pad scrubPad
	scrubRegisters(&pad)
	// The frame of this one, which the runtime takes for a request to yield, replaces the last one.
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGURG)
}
