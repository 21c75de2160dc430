package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteBenchmarks writes the values of a mode in the format of Go's benchmarks,
// a line for each round, for benchstat.
func (r *Result) WriteBenchmarks(w io.Writer, mode string) error {
	if _, err := fmt.Fprint(w, "Unit ops/s better=higher\nUnit entries/s better=higher\nUnit bytes better=lower\n"); err != nil {
		return err
	}
	for _, s := range r.Series {
		if s.Mode != mode {
			continue
		}
		for _, v := range s.Values {
			unit := s.Figure.Unit
			if unit == "s" {
				unit, v = "ns/op", v*1e9
			}
			if _, err := fmt.Fprintf(w, "Benchmark%s 1 %g %s\n", benchmarkName(s.Figure.Name), v, unit); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchmarkName is a figure's name as the format wants it: one word that
// begins with an upper case letter. A final -N would be taken for a number of
// processors.
func benchmarkName(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '-' || r == '(' || r == ')' })
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.ReplaceAll(strings.Join(words, ""), "/", "/threads=")
}
