package main

import (
	"fmt"

	"safetmp/internal/config"
	"safetmp/internal/control"
	"safetmp/internal/launch"
)

// serveInForeground serves in this process, has tell print what to know at its start, and prints how it ended.
func (a *app) serveInForeground(opts config.Options, tell func(config.Options, launch.Started)) error {
	notify := a.managerNotifier()
	report, err := launch.Serve(a.ctx, opts, func(s launch.Started) error {
		tell(opts, s)
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
