package daemon

import (
	"log/slog"

	"golang.org/x/sys/unix"

	"safetmp/internal/harden"
)

// hide keeps the contents out of core dumps and out of reach of ptrace(2) and
// /proc/PID/mem for other processes of the same uid (PR_SET_DUMPABLE(2const)).
func hide() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		slog.Warn("the daemon stays dumpable", "error", err)
	}
}

// harden takes from the process what a daemon that is set up does not need; see
// package harden. signals leaves it the right to signal other processes, which
// the one of `run` has to end. A layer that cannot be had is no reason not to
// mount: the files are safe without.
func (d *Daemon) harden(signals bool) {
	probe := testProbe()
	d.raiseLimits()
	c := harden.Config{Signals: signals, Writable: testWritable(), Backing: d.backing()}
	if d.control != nil {
		c.Folder = d.control.Folder()
	}
	state, err := harden.Apply(c)
	if err != nil {
		slog.Warn("the daemon keeps privileges", "error", err)
		return
	}
	d.hardened.Store(true)
	for layer, missing := range map[string]error{"landlock": state.Landlock, "seccomp": state.Seccomp} {
		if missing != nil {
			slog.Info("the daemon is hardened in part", "without", layer, "reason", missing)
		}
	}
	probe()
}
