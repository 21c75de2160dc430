package bench

import (
	"encoding/json"
	"io"
	"math"
	"time"
)

// Series are the values of one figure in one mode, one for each round.
type Series struct {
	Figure Figure
	Mode   string
	Values []float64
	Error  string `json:",omitempty"` // why values are missing
}

// Result is what a run found.
type Result struct {
	Time    time.Time
	Machine string
	Commit  string
	Form    string // the name of the scale: how much work there was
	Rounds  int
	Modes   []string          // those measured
	Skipped map[string]string // those not, and why
	Series  []Series          // in the order of rows, then of modes
}

// WriteJSON writes the result with every value.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// figures lists each figure once, in order.
func (r *Result) figures() []Figure {
	var all []Figure
	for _, s := range r.Series {
		if len(all) == 0 || all[len(all)-1] != s.Figure {
			all = append(all, s.Figure)
		}
	}
	return all
}

// find returns the series of a figure in a mode, nil if there is none.
func (r *Result) find(figure, mode string) *Series {
	for i := range r.Series {
		if s := &r.Series[i]; s.Figure.Name == figure && s.Mode == mode {
			return s
		}
	}
	return nil
}

// median is that of a figure in a mode, NaN if it was not measured.
func (r *Result) median(figure, mode string) float64 {
	if s := r.find(figure, mode); s != nil {
		return Median(s.Values)
	}
	return math.NaN()
}

// ratio says how many times better a figure is in one mode than in another.
func (r *Result) ratio(figure, mode, base string) float64 {
	s := r.find(figure, mode)
	if s == nil {
		return math.NaN()
	}
	return Ratio(Median(s.Values), r.median(figure, base), s.Figure.Lower)
}
