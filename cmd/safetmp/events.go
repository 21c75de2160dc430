package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"safetmp/internal/control"
)

// newEventsCommand builds `safetmp events`.
func newEventsCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "events [--json] DIR",
		Short:   "follow refusals and the life of a mount",
		Long:    eventsHelp,
		Example: eventsExamples,
		Args:    exactly("DIR"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.events(args[0], asJSON) },
	}
	cmd.ValidArgsFunction = completeMountpoint
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: one object per line; times in RFC 3339, sizes in bytes")
	return cmd
}

// events prints what happens until the mount ends or the caller has seen enough.
func (a *app) events(dir string, asJSON bool) error {
	p, err := a.locateAnswering(dir)
	if err != nil {
		return err
	}
	write := func(e control.Event) error { return writeEvent(a.stdout, p.Status.Mountpoint, e) }
	if asJSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetEscapeHTML(false)
		write = func(e control.Event) error { return encoder.Encode(e) }
	}
	err = p.Client.Follow(a.ctx, write)
	switch {
	case a.ctx.Err() != nil:
		return nil // an interrupt is how one stops
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{
			Code:    exitNoDaemon,
			Message: fmt.Sprintf("events: %s: the daemon does not answer any more", p.Status.Mountpoint),
			Hint:    "it was killed, or it dropped this reader, which was too slow: safetmp status",
		}
	case err != nil:
		return fmt.Errorf("events: %s: %w", p.Status.Mountpoint, err)
	}
	return nil
}

// writeEvent writes one line, and one more before it if events were lost.
func writeEvent(w io.Writer, mountpoint string, e control.Event) error {
	when := e.Time.Local().Format(time.DateTime)
	lost := ""
	if e.Lost > 0 {
		lost = fmt.Sprintf("%s lost: %d events, since this reader was too slow\n", when, e.Lost)
	}
	_, err := fmt.Fprintf(w, "%s%s %s: %s\n", lost, when, clean(string(e.Kind)), clean(eventText(mountpoint, e)))
	return err
}

// eventText says what happened.
func eventText(mountpoint string, e control.Event) string {
	switch {
	case e.RefusedEvent != nil:
		return refusedText(*e.RefusedEvent)
	case e.RemovedEvent != nil:
		return fmt.Sprintf("%d entries by %s, %s", e.Entries, e.Lifetime, sizeText(e.Bytes))
	case e.Report != nil:
		return describeReport(mountpoint, *e.Report)
	case e.Kind == control.EventBusy:
		return "an unmount was asked for, and the mount is in use"
	}
	return mountpoint
}

// refusedText names rule, call, errno, and who it was.
func refusedText(r control.RefusedEvent) string {
	text := fmt.Sprintf("%s: %s %s by %s[%d] of %s", r.Rule, r.Op, r.Errno, orDash(r.Command), r.PID, ownerText(r.UID))
	switch {
	case r.Name != "":
		text += fmt.Sprintf(", name %q", r.Name)
	case r.NameHash != "":
		text += ", name #" + r.NameHash
	}
	return text + ": " + r.Reason
}
