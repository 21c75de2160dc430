package daemon

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/internal/control"
	"safetmp/internal/mount"
)

// unmountGrace bounds how long the kernel may take to end the connection after
// an unmount that succeeded. It is only reached if the filesystem is mounted in
// another namespace as well.
const unmountGrace = 2 * time.Second

// Unmount is Shutdown for control clients.
func (d *Daemon) Unmount(force bool) (control.Report, error) { return d.Shutdown(force) }

// Shutdown ends the mount and returns how it went, once everything is wiped.
// Without force a mount that is in use stays as it is, and the error matches
// unix.EBUSY; with force its users get errors from then on.
func (d *Daemon) Shutdown(force bool) (control.Report, error) {
	if !d.begin() {
		<-d.ended
		return d.report, nil
	}
	if err := d.unmount(force); err != nil && !force {
		d.resume()
		if errors.Is(err, unix.EBUSY) {
			d.control.Publish(control.Event{Time: time.Now(), Kind: control.EventBusy})
		}
		return control.Report{}, err
	}
	d.finish(force)
	return d.report, nil
}

// begin says whether the caller is the one who ends the mount.
func (d *Daemon) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending {
		return false
	}
	d.ending = true
	return true
}

// resume goes on serving after an unmount that was refused.
func (d *Daemon) resume() {
	d.mu.Lock()
	d.ending = false
	d.mu.Unlock()
}

// unmount takes the filesystem out of the namespace, unless that has happened
// from outside.
func (d *Daemon) unmount(force bool) error {
	select {
	case <-d.conn.Done():
		return nil
	default:
	}
	if d.guard == nil && d.hardened.Load() {
		return nil // the daemon of run: its mount ends with its namespace
	}
	err := d.guard.Unmount(d.mounted.Entry)
	switch {
	case err == nil, errors.Is(err, mount.ErrNotSafetmp):
		d.awaitConnection()
		return nil
	case force:
		return d.guard.ForceDetach(d.mounted.Entry)
	}
	return err
}

// awaitConnection waits until the kernel says that the unmount is complete.
func (d *Daemon) awaitConnection() {
	select {
	case <-d.conn.Done():
	case <-time.After(unmountGrace):
	}
}

// finish is the one way out: stop serving, drain, overwrite, report. It copes
// with a daemon of which only a part was made.
func (d *Daemon) finish(forced bool) {
	begun := time.Now()
	if d.conn != nil {
		d.conn.Stop()
	}
	d.reaper.end()
	report := control.Report{Forced: forced, Complete: true}
	if d.fs != nil {
		d.fs.Close()
	}
	if d.store != nil {
		wiped := d.store.Close()
		report.Wiped, report.Complete = int64(wiped.Wiped), wiped.Err == nil
	}
	if d.conn != nil {
		d.conn.Wipe()
	}
	scrubSignalStacks()
	report.Duration = time.Since(begun)
	d.guard.End()
	d.report = report
	d.control.Publish(control.Event{Time: time.Now(), Kind: control.EventEnded, Report: &report})
	close(d.ended)
}
