package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"safetmp/internal/control"
)

// newListCommand builds `safetmp ls`.
func newListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "ls [--json] DIR",
		Short:   "list files under both their names",
		Long:    listHelp,
		Example: listExamples,
		Args:    exactly("DIR"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.list(args[0], asJSON) },
	}
	cmd.ValidArgsFunction = completeMountpoint
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: an array; sizes in bytes")
	return cmd
}

// list prints the entries of one mount, oldest first.
func (a *app) list(dir string, asJSON bool) error {
	p, err := a.locateAnswering(dir)
	if err != nil {
		return err
	}
	files, more, err := p.Client.Files(a.ctx)
	if err != nil {
		return fmt.Errorf("ls: %s: %w", p.Status.Mountpoint, err)
	}
	slices.SortFunc(files, func(x, y control.File) int {
		return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.Assigned, y.Assigned))
	})
	if more > 0 {
		fmt.Fprintf(a.stderr, "%s: %d more entries are not shown\n", programName, more)
	}
	if asJSON {
		return writeJSON(a.stdout, append([]control.File{}, files...)) // [] rather than null
	}
	return writeFiles(a.stdout, files, time.Now())
}

// writeFiles writes one line per entry.
func writeFiles(w io.Writer, files []control.File, now time.Time) error {
	table := newTable(w)
	fmt.Fprintln(table, "REQUESTED\tASSIGNED\tKIND\tOWNER\tSIZE\tAGE\tLEFT\tCOMMAND")
	for _, f := range files {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(clean(f.Requested)), clean(f.Assigned), clean(f.Kind),
			ownerText(f.OwnerUID), sizeText(f.Size), ageText(now.Sub(f.Created)), leftText(f, now), orDash(clean(f.Command)))
	}
	return table.Flush()
}

// leftText is how long an entry still has by the mount's time to live.
func leftText(f control.File, now time.Time) string {
	switch {
	case f.InUse:
		return "in use"
	case f.Expires.IsZero():
		return "-"
	}
	return ageText(f.Expires.Sub(now))
}

func orDash(text string) string { return cmp.Or(text, "-") }
