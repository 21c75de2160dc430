package hosttest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Served is a mount whose daemon is a child of the test.
type Served struct {
	Dir    string          // the mountpoint
	PID    int             // of the daemon, which leads its process group
	Exited <-chan struct{} // closed once the daemon was waited for
	Log    string          // what the daemon prints
}

const (
	// startBound is how long a mount may take to come about.
	startBound = 20 * time.Second
	// abortBound is how long a daemon may take to print its stacks and die.
	abortBound = 5 * time.Second
)

// Await waits until it is mounted, and returns the minor number of its device, which names the connection.
func (s Served) Await(t testing.TB) (minor int) {
	t.Helper()
	for deadline := time.Now().Add(startBound); ; {
		if info := MountAt(s.Dir); info != nil {
			return info.Minor
		}
		select {
		case <-s.Exited:
			t.Fatalf("the daemon ended early\n%s", s.LogTail())
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("no mount after %v\n%s", startBound, s.LogTail())
		}
	}
}

// Abort frees everything that hangs on the mount: the daemon prints its stacks and dies, the kernel answers waiting calls
// with ECONNABORTED. A minor of 0 is not known yet.
func (s Served) Abort(minor int) {
	_ = unix.Kill(s.PID, unix.SIGQUIT)
	if minor != 0 {
		_ = Abort(minor)
	}
	_ = unix.Unmount(s.Dir, unix.MNT_DETACH)
	select {
	case <-s.Exited:
	case <-time.After(abortBound):
		_ = unix.Kill(-s.PID, unix.SIGKILL)
	}
}

// LogTail is the end of what the daemon printed.
func (s Served) LogTail() string {
	data, err := os.ReadFile(s.Log)
	if err != nil {
		return err.Error()
	}
	const most = 64 << 10
	if len(data) > most {
		return fmt.Sprintf("[%d bytes before]\n%s", len(data)-most, data[len(data)-most:])
	}
	return string(data)
}
