package daemon

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// scrubSignalStacks sends every thread of this process a signal that the Go
// runtime takes for a request to yield and that nobody else sees. The frame of
// it replaces the frame of the last signal on the thread's signal stack, in
// which the kernel had saved the registers of whatever was interrupted
// (sigaltstack(2)): a copy of contents, perhaps.
func scrubSignalStacks() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			_ = unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
		}
	}
	// A signal is handled as soon as its thread runs, which for a thread that
	// is blocked in the kernel is at once.
	time.Sleep(2 * time.Millisecond)
}
