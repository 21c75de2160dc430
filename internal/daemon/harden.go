package daemon

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

// harden keeps the contents out of core dumps and out of reach of ptrace(2) and
// /proc/PID/mem for other processes of the same uid (PR_SET_DUMPABLE(2const)).
func harden() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		slog.Warn("the daemon stays dumpable", "error", err)
	}
}
