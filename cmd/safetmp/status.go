package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"safetmp/internal/control"
	"safetmp/internal/launch"
	"safetmp/internal/mount"
)

// newStatusCommand builds `safetmp status`.
func newStatusCommand(a *app) *cobra.Command {
	var f statusForm
	cmd := &cobra.Command{
		Use:     "status [--json|--metrics] [DIR]",
		Short:   "show mounts, usage, refusals",
		Long:    statusHelp,
		Example: statusExamples,
		Args:    atMost("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case f.json && f.metrics:
				return usageError("--metrics", "given together with --json", "one of the two")
			case len(args) == 1:
				return a.statusOf(args[0], f)
			}
			return a.statusOfAll(f)
		},
	}
	cmd.ValidArgsFunction = completeMountpoint
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON: an array, with DIR one object; sizes in bytes")
	cmd.Flags().BoolVar(&f.metrics, "metrics", false, "print metrics in the text format of Prometheus")
	return cmd
}

// statusForm is how a status is printed: for people, or one of these.
type statusForm struct{ json, metrics bool }

// statusOf shows one mount.
func (a *app) statusOf(dir string, f statusForm) error {
	p, err := a.locateAnswering(dir)
	if err != nil {
		return err
	}
	switch {
	case f.json:
		return writeJSON(a.stdout, p.Status)
	case f.metrics:
		return writeMetrics(a.stdout, []listedStatus{{Status: p.Status, Answering: true}})
	}
	return writeDetails(a.stdout, p.Status)
}

// listedStatus is a line of the list: a daemon's status, or what the kernel's table tells of a mount without one.
type listedStatus struct {
	control.Status
	Answering bool `json:"answering"`
}

// statusOfAll lists all mounts that concern the caller.
func (a *app) statusOfAll(f statusForm) error {
	found := launch.Peers(a.ctx)
	list := []listedStatus{}
	for _, p := range found {
		list = append(list, listedStatus{Status: p.Status, Answering: true})
	}
	silent, err := silentMounts(found)
	if err != nil {
		return err
	}
	list = append(list, silent...)
	switch {
	case f.json:
		return writeJSON(a.stdout, list)
	case f.metrics:
		return writeMetrics(a.stdout, list)
	case len(list) == 0:
		_, err := fmt.Fprintln(a.stderr, "no safetmp mounts")
		return err
	}
	return writeList(a.stdout, list)
}

// silentMounts lists the caller's mounts, for root everybody's, that no daemon answers for.
func silentMounts(found []launch.Peer) ([]listedStatus, error) {
	entries, err := mount.Entries()
	if err != nil {
		return nil, err
	}
	var silent []listedStatus
	for _, e := range entries {
		if ofCaller(e) && !slices.ContainsFunc(found, func(p launch.Peer) bool { return p.Serves(e) }) {
			silent = append(silent, listedStatus{Status: control.Status{
				Mountpoint: e.Mountpoint, Device: e.Device.String(), OwnerUID: e.OwnerUID, Shared: e.Shared,
				NoSUID: e.NoSUID, NoDev: e.NoDev, NoExec: e.NoExec, NoSymfollow: e.NoSymfollow,
			}})
		}
	}
	return silent, nil
}

// ofCaller reports whether a mount concerns the caller: root is shown everybody's.
func ofCaller(e mount.Entry) bool { return os.Geteuid() == 0 || int(e.OwnerUID) == os.Geteuid() }

// writeJSON writes indented JSON. encoding/json escapes control characters itself.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
