package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// WriteText writes the table for a terminal: medians, and in brackets how many
// times as good as in the first mode.
func (r *Result) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\t\t%s\n", strings.Join(r.columns(), "\t"))
	for _, f := range r.figures() {
		fmt.Fprintf(t, "%s\t%s", f.Name, f.Unit)
		for _, mode := range r.columns() {
			fmt.Fprintf(t, "\t%s", r.entry(f, mode))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// columns are the modes of the table.
func (r *Result) columns() []string {
	for _, s := range r.Series {
		if s.Mode == "bwrap" {
			return append(append([]string{}, r.Modes...), "bwrap")
		}
	}
	return r.Modes
}

// entry is one field of the table.
func (r *Result) entry(f Figure, mode string) string {
	s := r.find(f.Name, mode)
	switch {
	case s == nil:
		return "-"
	case s.Error != "":
		return "failed"
	}
	text := human(Median(s.Values), f.Unit)
	if ratio := r.ratio(f.Name, mode, r.Modes[0]); mode != r.Modes[0] && !math.IsNaN(ratio) {
		text += fmt.Sprintf(" (%.2f)", ratio)
	}
	return text
}

// human writes a figure with three digits.
func human(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case unit == "s" && v < 1:
		return fmt.Sprintf("%.3g ms", v*1e3)
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	case v >= 1e3:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// WriteMarkdown writes targets, table and notes, for docs/performance.md.
func (r *Result) WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Measured %s at commit %s: %s. Form %s, %d rounds; medians, and in brackets how many times as good as %s.\n\n",
		r.Time.Format("2006-01-02"), r.Commit, r.Machine, r.Form, r.Rounds, r.Modes[0])
	r.writeTargets(&b)
	fmt.Fprintf(&b, "\n| | unit | %s | spread |\n|---|---|%s---:|\n", strings.Join(r.columns(), " | "), strings.Repeat("---:|", len(r.columns())))
	for _, f := range r.figures() {
		fmt.Fprintf(&b, "| %s | %s |", f.Name, f.Unit)
		for _, mode := range r.columns() {
			fmt.Fprintf(&b, " %s |", r.entry(f, mode))
		}
		fmt.Fprintf(&b, " %s |\n", r.widest(f))
	}
	r.writeSkipped(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// writeTargets writes the table of targets.
func (r *Result) writeTargets(b *bytes.Buffer) {
	fmt.Fprint(b, "| target | figure | mode | wanted | measured | spread | met |\n|---|---|---|---|---:|---:|---|\n")
	for _, v := range r.verdicts() {
		fmt.Fprintf(b, "| %s | %s | %s | >= %.2f x %s | %s | %s | %s |\n", v.what, v.figure, v.mode, v.factor, v.against,
			twoDigits(v.ratio), twoDigits(v.spread), held(v.ratio, v.factor, true))
	}
	for _, t := range bounds {
		sign := "<="
		if t.atLeast {
			sign = ">="
		}
		value := r.median(t.figure, t.mode)
		fmt.Fprintf(b, "| %s | %s | %s | %s %g | %s | | %s |\n", t.what, t.figure, t.mode, sign, t.limit,
			twoDigits(value), held(value, t.limit, t.atLeast))
	}
}

func twoDigits(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

// widest is the largest spread of a figure over all modes.
func (r *Result) widest(f Figure) string {
	most := math.NaN()
	for _, mode := range r.columns() {
		if s := r.find(f.Name, mode); s != nil && len(s.Values) > 1 && !(Spread(s.Values) <= most) {
			most = Spread(s.Values)
		}
	}
	return twoDigits(most)
}

// writeSkipped says what was not measured, and why.
func (r *Result) writeSkipped(b *bytes.Buffer) {
	fmt.Fprintln(b)
	for _, mode := range Modes() {
		if why, ok := r.Skipped[mode.Name]; ok {
			fmt.Fprintf(b, "- %s: %s.\n", mode.Name, strings.TrimSuffix(why, "."))
		}
	}
	for _, s := range r.Series {
		if s.Error != "" {
			fmt.Fprintf(b, "- %s in %s failed: %.200s\n", s.Figure.Name, s.Mode, s.Error)
		}
	}
}

// Markers of the generated part of a document.
const (
	beginMark = "<!-- begin: written by make bench -->\n"
	endMark   = "<!-- end -->\n"
)

// Splice replaces what stands between the markers of a document.
func Splice(document, part []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(document, []byte(beginMark))
	_, after, closed := bytes.Cut(rest, []byte(endMark))
	if !ok || !closed {
		return nil, errors.New("the document has no markers for what is generated")
	}
	return bytes.Join([][]byte{before, []byte(beginMark), part, []byte(endMark), after}, nil), nil
}
