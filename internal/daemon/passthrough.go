package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"safetmp/internal/fuseconn"
	"safetmp/internal/harden"
	"safetmp/memstore"
)

// ErrNoPassthrough says that the kernel cannot be made to read and write
// contents by itself, which was demanded.
var ErrNoPassthrough = errors.New("no passthrough here")

// noPassthrough is the refusal to mount for that reason.
type noPassthrough struct{ cause error }

// Error says why.
func (e *noPassthrough) Error() string {
	return fmt.Sprintf("mount: %v: %v", ErrNoPassthrough, e.cause)
}

// Unwrap returns ErrNoPassthrough and what memstore or fuseconn said.
func (e *noPassthrough) Unwrap() []error { return []error{ErrNoPassthrough, e.cause} }

// Hint says what the caller may try.
func (e *noPassthrough) Hint() string {
	return "passthrough takes Linux 6.9 and CAP_SYS_ADMIN in the initial user namespace: mount as root, or leave io at auto"
}

// openFiles makes a store whose contents lie in files.
func (d *Daemon) openFiles(cfg memstore.Config) error {
	cfg.Lock = memstore.LockNever
	cfg.Inodes = min(cfg.Inodes, mostFiles())
	err := d.open(cfg, "not needed: contents are in memory that the kernel never swaps")
	if errors.Is(err, memstore.ErrNoFiles) {
		return &noPassthrough{err}
	}
	return err
}

// explainInit adds a hint to what fuseconn says of passthrough.
func explainInit(err error) error {
	if errors.Is(err, fuseconn.ErrNoPassthrough) {
		return &noPassthrough{err}
	}
	return err
}

// spareFiles is how many descriptors the daemon needs beside those of files.
const spareFiles = 512

// mostFiles is how many files there can be, since each has a descriptor: the
// hard limit of this process, or of what root may raise it to.
func mostFiles() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return spareFiles
	}
	return max(int64(min(max(limit.Max, descriptorsForRoot()), 1<<40))-spareFiles, 1)
}

// descriptorsForRoot is up to where CAP_SYS_RESOURCE raises the limit of
// descriptors (proc_sys_fs(5)), 0 if this process has not that capability.
func descriptorsForRoot() uint64 {
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil || !harden.Has(unix.CAP_SYS_RESOURCE) {
		return 0
	}
	most, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return most
}

// raiseLimits lets the daemon have as many descriptors as files, and write as
// far into one as its users do. What it starts inherits both: it is to be called
// when everything is started, and before privileges are dropped.
func (d *Daemon) raiseLimits() {
	if !d.fs.PassesThrough() {
		return
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		limit.Max = max(limit.Max, descriptorsForRoot())
		limit.Cur = limit.Max
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		if err != nil {
			slog.Warn("the limit of files stays low", "error", err)
		}
	}
	endless := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &endless); err != nil {
		slog.Warn("the limit of the size of files stays", "error", err)
	}
}

// backing is what a hardened daemon still has to be able to do about files.
func (d *Daemon) backing() *harden.Backing {
	if !d.fs.PassesThrough() {
		return nil
	}
	return &harden.Backing{Folder: d.store.Folder(), Calls: fuseconn.BackingCalls}
}
