package main

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/control"
	"safetmp/internal/daemon"
	"safetmp/internal/fuseconn"
	"safetmp/internal/mount"
)

// attach mounts what opts describe, without serving it.
func attach(opts config.Options) (*mount.Mounted, error) {
	rules, err := opts.Policy()
	if err != nil {
		return nil, err
	}
	return mount.Mount(mount.Spec{
		Mountpoint:  opts.Mountpoint,
		Source:      opts.Source,
		UID:         opts.UID,
		GID:         opts.GID,
		Shared:      opts.Shared,
		NoExec:      rules.NoExecMount(),
		NoSymfollow: rules.NoSymfollowMount() || opts.NoSymfollow,
		MaxRead:     fuseconn.MaxWrite,
	})
}

// mountAndServe mounts the filesystem of `run`, whose mount ends with its namespace, and returns once it answers.
func mountAndServe(opts config.Options) (*daemon.Daemon, error) {
	mounted, err := attach(opts)
	if err != nil {
		return nil, err
	}
	_ = mounted.Covered.Close()
	return daemon.Start(opts, mounted)
}

// serve mounts, calls ready once the filesystem answers, and returns when it has ended and is wiped: unmounted, or
// ended by a signal, or by ready failing since nobody waits any more.
func (a *app) serve(opts config.Options, ready func() error) (control.Report, error) {
	defer catchBrokenPipes()()
	d, err := a.mountAndGuard(opts)
	if err != nil {
		return control.Report{}, err
	}
	defer d.Close()
	if err := ready(); err != nil {
		return d.Shutdown(true)
	}
	select {
	case <-d.Ended():
		return d.Report(), nil
	case <-a.ctx.Done():
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

// serveInForeground serves in this process and prints how it ended.
func (a *app) serveInForeground(opts config.Options) error {
	notify := a.managerNotifier()
	report, err := a.serve(opts, func() error {
		notify("READY=1")
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%s: %s\n", programName, describeReport(opts.Mountpoint, report))
	return wipeFailure(opts.Mountpoint, report)
}

// describeReport is the line that tells how a mount ended.
func describeReport(mountpoint string, r control.Report) string {
	how := "unmounted"
	if r.Forced {
		how = "forcibly unmounted"
	}
	return fmt.Sprintf("%s %s: %s overwritten in %s", how, clean(mountpoint), sizeText(r.Wiped), durationText(r.Duration))
}

// wipeFailure is the error of a mount that ended without everything overwritten.
func wipeFailure(mountpoint string, r control.Report) error {
	if r.Complete {
		return nil
	}
	return &failure{Code: exitWipeUncertain, Message: fmt.Sprintf("unmount: %s: not everything could be overwritten", mountpoint)}
}
