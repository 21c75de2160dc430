package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"safetmp/internal/doctor"
)

// doctorTrialName is the hidden command as which the doctor executes this program in namespaces of their own.
const doctorTrialName = "doctor-trial"

// encryptsMemory says that a mount whose memory cannot be locked is encrypted where swap is possible.
const encryptsMemory = false

// newDoctorCommands builds `safetmp doctor` and its hidden helper.
func newDoctorCommands(a *app) []*cobra.Command {
	var asJSON, verbose bool
	examine := &cobra.Command{
		Use:     "doctor [-v] [--json]",
		Short:   "examine this machine",
		Long:    doctorHelp,
		Example: doctorExamples,
		Args:    exactly(),
		RunE:    func(*cobra.Command, []string) error { return a.doctor(asJSON, verbose) },
	}
	examine.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	examine.Flags().BoolVarP(&verbose, "verbose", "v", false, "explain also what is in order")
	trial := &cobra.Command{
		Use:    doctorTrialName,
		Short:  "try a mount (used by safetmp doctor)",
		Hidden: true,
		Args:   exactly(),
		RunE:   func(*cobra.Command, []string) error { return doctor.RunTrial(a.stdout) },
	}
	return []*cobra.Command{examine, trial}
}

// doctor examines the machine, prints the findings and ends with a status that sums them up.
func (a *app) doctor(asJSON, verbose bool) error {
	system, err := doctor.Host([]string{doctorTrialName})
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	system.Encrypts = encryptsMemory
	report := doctor.Examine(system)
	if asJSON {
		err = writeJSON(a.stdout, report)
	} else {
		err = writeReport(a.stdout, report, verbose)
	}
	if err != nil {
		return err
	}
	return doctorStatus(report)
}

// doctorStatus turns a report into the exit status.
func doctorStatus(r doctor.Report) error {
	switch {
	case !r.Usable():
		return exitWith(exitUnusable)
	case !r.Kept():
		return exitWith(exitFailure)
	}
	return nil
}

// writeReport prints a line for each check, what it means and how to mend it where something is not in order, and a
// line that sums up.
func writeReport(w io.Writer, r doctor.Report, verbose bool) error {
	var b strings.Builder
	width := 0
	for _, c := range r.Checks {
		width = max(width, len(c.Name))
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-4s  %-*s  %s\n", c.Verdict, width, c.Name, clean(c.Found))
		if verbose || c.Verdict != doctor.Ok {
			indent(&b, "means: ", c.Means)
			indent(&b, "fix:   ", c.Fix)
		}
	}
	fmt.Fprintln(&b, summary(r))
	_, err := io.WriteString(w, b.String())
	return err
}

// indent prints an explanation below its check.
func indent(b *strings.Builder, title, text string) {
	if text != "" {
		fmt.Fprintf(b, "      %s%s\n", title, clean(text))
	}
}

// summary says what works.
func summary(r doctor.Report) string {
	works := map[bool]string{true: "works", false: "does not work"}
	line := fmt.Sprintf("safetmp run %s, safetmp mount %s", works[r.Run], works[r.Mount])
	counts := map[doctor.Verdict]int{}
	for _, c := range r.Checks {
		counts[c.Verdict]++
	}
	if n := counts[doctor.Warn]; n > 0 {
		return line + fmt.Sprintf("; weaker than promised in %d of %d points", n, len(r.Checks))
	}
	if r.Kept() {
		return line + "; every promise is kept"
	}
	return line
}
