package bench

import (
	"math"
	"slices"
)

// Median is the middle of xs, the mean of the two middle ones if their number
// is even, and NaN of nothing.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// Spread is the largest of xs divided by the smallest: 1 says that all are the
// same. It is NaN of nothing and infinite if the smallest is zero.
func Spread(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	return slices.Max(xs) / slices.Min(xs)
}

// Ratio says how many times better value is than base, NaN if either is
// missing: above 1 is better, also where lower figures are.
func Ratio(value, base float64, lowerIsBetter bool) float64 {
	if lowerIsBetter {
		value, base = base, value
	}
	if base == 0 {
		return math.NaN()
	}
	return value / base
}
