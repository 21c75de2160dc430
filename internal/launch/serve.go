package launch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/control"
	"safetmp/internal/daemon"
	"safetmp/internal/fuseconn"
	"safetmp/internal/lean"
	"safetmp/internal/mount"
	"safetmp/internal/watch"
)

// ErrUse says that somebody ran the daemon's command by hand.
var ErrUse = errors.New("this command is for safetmp's own use")

// Daemon is the process that Start executes: it serves what the options pipe describes until the mount or ctx ends, and
// reports to the status pipe: a failure as describe puts it, or success once the filesystem answers. After that nobody
// listens, so how the mount ends is told by its control socket alone.
func Daemon(ctx context.Context, describe func(error) *Failure) error {
	if !isPipe(optionsFD) || !isPipe(statusFD) {
		return ErrUse
	}
	status := os.NewFile(statusFD, "status")
	defer status.Close()
	unix.CloseOnExec(statusFD)
	opts, err := readOptions(os.NewFile(optionsFD, "options"))
	if err == nil {
		_, err = Serve(ctx, opts, func(s Started) error {
			err := say(status, answer{Started: &s})
			lean.Shrink()
			return err
		})
	}
	if err != nil {
		_ = say(status, answer{Failure: describe(err)})
	}
	return err
}

// say writes the one message; it fails if nobody waits for it any more.
func say(status io.WriteCloser, a answer) error {
	if err := json.NewEncoder(status).Encode(a); err != nil {
		return err
	}
	return status.Close()
}

// readOptions reads and closes the options pipe.
func readOptions(pipe io.ReadCloser) (opts config.Options, err error) {
	defer pipe.Close()
	err = json.NewDecoder(pipe).Decode(&opts)
	return opts, err
}

// isPipe reports whether an inherited descriptor is what Start passes.
func isPipe(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

// Serve mounts, calls ready once the filesystem answers, and returns when it has ended and is wiped: unmounted, or
// ended with ctx, or by ready failing since nobody waits any more.
func Serve(ctx context.Context, opts config.Options, ready func(Started) error) (control.Report, error) {
	defer catchBrokenPipes()()
	d, err := mountAndGuard(ctx, opts)
	if err != nil {
		return control.Report{}, err
	}
	defer d.Close()
	started := Started{PID: os.Getpid(), Device: d.Device(), Socket: d.Socket(), At: d.Started(), Secrecy: d.Secrecy(), Warnings: d.Warnings()}
	if err := ready(started); err != nil {
		return d.Shutdown(true)
	}
	go lean.Settle(d.Ended(), d.Rest)
	select {
	case <-d.Ended():
		return d.Report(), nil
	case <-ctx.Done():
		return d.Shutdown(true)
	}
}

// catchBrokenPipes keeps a closed stdout or stderr from killing the process before it has wiped. Catching, unlike
// ignoring, is not inherited by programs that are started.
func catchBrokenPipes() (restore func()) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGPIPE)
	return func() { signal.Stop(caught) }
}

// Attach mounts what opts describe, without serving it.
func Attach(opts config.Options) (*mount.Mounted, error) {
	rules, err := opts.Policy()
	if err != nil {
		return nil, err
	}
	return mount.Mount(mount.Spec{
		Mountpoint:      opts.Mountpoint,
		Source:          opts.Source,
		UID:             opts.UID,
		GID:             opts.GID,
		Shared:          opts.Shared || opts.ShareWithRoot,
		NoExec:          rules.NoExecMount(),
		NoSymfollow:     rules.NoSymfollowMount() || opts.NoSymfollow,
		MustNoSymfollow: opts.NoSymfollow,
		Unchecked:       opts.UID == 0 && !opts.Shared && !opts.ShareWithRoot && !opts.CheckModes && mount.OverridesModes(),
		MaxRead:         fuseconn.MaxWrite,
	})
}

// mountAndGuard mounts the filesystem with a watcher beside it and returns once it answers. A dead mount that is in the
// way, left by a kill of daemon and watcher, is cleared.
func mountAndGuard(ctx context.Context, opts config.Options) (*daemon.Daemon, error) {
	mounted, err := Attach(opts)
	if errors.Is(err, mount.ErrAlreadyMounted) && clearDead(ctx, opts.Mountpoint) {
		mounted, err = Attach(opts)
	}
	if err != nil {
		return nil, err
	}
	guard, err := watch.Start([]string{WatchCommand}, mounted)
	if err != nil {
		_ = mount.Detach(mounted.Entry)
		_ = mounted.Dev.Close()
		return nil, err
	}
	return daemon.StartGuarded(opts, mounted, guard)
}

// clearDead detaches the mount at dir if its daemon is gone, and reports whether it did. A daemon that answers is not
// suspected.
func clearDead(ctx context.Context, dir string) bool {
	entry, p, err := Find(ctx, dir)
	return err == nil && p == nil && mount.ClearDead(entry)
}
