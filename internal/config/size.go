package config

import (
	"math"
	"strconv"

	"safetmp/memstore"
)

// PageSize is the unit in which contents are accounted; sizes are rounded up to it.
const PageSize = memstore.PageSize

const (
	acceptedSizes  = "a number of bytes, a number with k, m, g or t, or a percentage of memory such as 25%"
	acceptedCounts = "a number, or a number with k, m, g or t"
)

// amount is a number as written: absolute or, with percent set, a share of something known later.
type amount struct {
	value   int64 // 1..100 if percent
	percent bool
}

// of resolves the amount against the whole that a percentage refers to.
func (a amount) of(whole int64) int64 {
	if !a.percent {
		return a.value
	}
	// Split, since whole times 100 may overflow.
	return whole/100*a.value + whole%100*a.value/100
}

// parseSize reads a size in bytes, rounded up to whole pages, or a percentage.
func parseSize(source, raw string) (amount, error) {
	if digits, ok := cutSuffixByte(raw, '%'); ok {
		return parsePercent(source, raw, digits)
	}
	n, err := parseScaled(source, raw, "a size", acceptedSizes)
	if err != nil {
		return amount{}, err
	}
	if n < PageSize {
		return amount{}, &UsageError{source, quote(raw) + " is less than one page", "at least 4096 bytes; 0 does not mean unlimited here"}
	}
	if n > math.MaxInt64-PageSize+1 {
		return amount{}, tooLarge(source, raw, acceptedSizes)
	}
	return amount{value: roundUpToPage(n)}, nil
}

// parsePercent reads the digits before a percent sign.
func parsePercent(source, raw, digits string) (amount, error) {
	n, ok := parseDigits(digits)
	if !ok || n < 1 || n > 100 {
		return amount{}, badValue(source, raw, "a percentage from 1% to 100%", acceptedSizes)
	}
	return amount{value: n, percent: true}, nil
}

// parseCount reads a number of inodes or blocks, at least least.
func parseCount(source, raw string, least int64) (int64, error) {
	n, err := parseScaled(source, raw, "a number", acceptedCounts)
	if err != nil {
		return 0, err
	}
	if n < least {
		return 0, &UsageError{source, quote(raw) + " is too small", "at least " + strconv.FormatInt(least, 10) + "; 0 does not mean unlimited here"}
	}
	return n, nil
}

// parseScaled reads digits with an optional suffix of powers of 1024, in either case.
func parseScaled(source, raw, wanted, accepted string) (int64, error) {
	digits, shift := cutScale(raw)
	if digits == "" || !onlyDigits(digits) {
		return 0, badValue(source, raw, wanted, accepted)
	}
	n, ok := parseDigits(digits)
	if !ok || n > math.MaxInt64>>shift {
		return 0, tooLarge(source, raw, accepted)
	}
	return n << shift, nil
}

// cutScale takes a trailing k, m, g or t off and returns how far to shift.
func cutScale(raw string) (string, uint) {
	if raw == "" {
		return raw, 0
	}
	rest := raw[:len(raw)-1]
	switch raw[len(raw)-1] | 0x20 {
	case 'k':
		return rest, 10
	case 'm':
		return rest, 20
	case 'g':
		return rest, 30
	case 't':
		return rest, 40
	}
	return raw, 0
}

// cutSuffixByte is strings.CutSuffix for one byte.
func cutSuffixByte(s string, suffix byte) (string, bool) {
	if s == "" || s[len(s)-1] != suffix {
		return s, false
	}
	return s[:len(s)-1], true
}

// parseDigits reads an unsigned decimal number that fits int64: no sign, no underscore, no space.
func parseDigits(digits string) (int64, bool) {
	if digits == "" || !onlyDigits(digits) {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func tooLarge(source, raw, accepted string) error {
	return &UsageError{source, quote(raw) + " is too large to be represented", accepted}
}

// roundUpToPage expects n <= MaxInt64-PageSize+1.
func roundUpToPage(n int64) int64 { return (n + PageSize - 1) / PageSize * PageSize }
