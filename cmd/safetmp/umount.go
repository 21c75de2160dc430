package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"safetmp/internal/control"
	"safetmp/internal/launch"
	"safetmp/internal/mount"
)

// forceTimeout bounds how long a forced unmount waits for the daemon's report before it does without.
const forceTimeout = 30 * time.Second

// newUmountCommand builds `safetmp umount`.
func newUmountCommand(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "umount [--force] DIR",
		Short:   "unmount and wipe",
		Long:    umountHelp,
		Example: umountExamples,
		Args:    exactly("DIR"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.umount(args[0], force) },
	}
	cmd.ValidArgsFunction = completeMountpoint
	cmd.Flags().BoolVar(&force, "force", false, "whoever uses it; also when the daemon hangs or has died")
	return cmd
}

// umount asks the daemon to end the mount, and takes it away itself if there is none to ask.
func (a *app) umount(dir string, force bool) error {
	entry, p, err := launch.Find(a.ctx, dir)
	if err != nil {
		return err
	}
	if p == nil {
		return takeAway(entry, force)
	}
	endProgress := a.showProgress(p.Client)
	report, err := askToUnmount(a.ctx, p.Client, force)
	endProgress()
	switch {
	case err == nil:
		fmt.Fprintln(a.stdout, describeReport(entry.Mountpoint, report))
		return wipeFailure(entry.Mountpoint, report)
	case errors.Is(err, unix.EBUSY):
		return busyFailure(entry)
	case answered(err) && errors.Is(err, unix.EPERM):
		return a.unmountFor(entry, p.Client, force)
	case answered(err) || a.ctx.Err() != nil:
		return fmt.Errorf("unmount: %w", err)
	}
	return takeAway(entry, force) // the daemon is lost
}

// askToUnmount asks the daemon; a forced unmount is bounded in time.
func askToUnmount(ctx context.Context, c *control.Client, force bool) (control.Report, error) {
	if force {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, forceTimeout)
		defer cancel()
	}
	return c.Unmount(ctx, force)
}

// unmountFor unmounts in place of a daemon that may not, since its watcher was killed, and asks it for the report.
func (a *app) unmountFor(entry mount.Entry, c *control.Client, force bool) error {
	err := takeAway(entry, force)
	var taken *failure
	if !errors.As(err, &taken) || taken.Code != exitWipeUncertain {
		return err
	}
	report, askErr := askToUnmount(a.ctx, c, force)
	if askErr != nil {
		return err
	}
	fmt.Fprintln(a.stdout, describeReport(entry.Mountpoint, report))
	return wipeFailure(entry.Mountpoint, report)
}

// answered reports whether an error is the daemon's own word.
func answered(err error) bool {
	var said *control.Error
	return errors.As(err, &said)
}

// takeAway unmounts without a daemon's help. That always ends in an error: nobody said that anything was wiped.
func takeAway(entry mount.Entry, force bool) error {
	unmount := mount.Unmount
	if force {
		unmount = mount.ForceDetach
	}
	err := unmount(entry)
	switch {
	case errors.Is(err, unix.EBUSY):
		return busyFailure(entry)
	case err != nil:
		return err
	}
	return &failure{
		Code:    exitWipeUncertain,
		Message: fmt.Sprintf("unmounted %s, but its daemon did not answer: nobody confirms that memory was overwritten", entry.Mountpoint),
		Hint:    "the pages of a daemon that died went back to the kernel as they were, unless it runs with init_on_free=1",
	}
}

// mostHolders bounds the list of a busy mount.
const mostHolders = 10

// busyFailure names who holds a mount.
func busyFailure(entry mount.Entry) error {
	f := &failure{
		Code:    exitBusy,
		Message: fmt.Sprintf("unmount: %s: in use", entry.Mountpoint),
		Hint:    "end these, or let them fail: safetmp umount --force " + entry.Mountpoint,
	}
	holders := mount.Holders(entry)
	for i, h := range holders {
		if i == mostHolders {
			f.Details = append(f.Details, fmt.Sprintf("and %d more", len(holders)-i))
			break
		}
		f.Details = append(f.Details, describeHolder(h))
	}
	if len(holders) == 0 {
		f.Details = []string{"by a process that you may not look at"}
	}
	return f
}

// describeHolder is one line of the list.
func describeHolder(h mount.Holder) string {
	if h.PID == 0 {
		return fmt.Sprintf("%s: another mount (%s) lies inside", h.Path, h.Command)
	}
	return fmt.Sprintf("pid %d (%s): %s %s", h.PID, h.Command, h.Use, h.Path)
}
