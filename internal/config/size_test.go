package config

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// usage fails the test unless err is a one-line *UsageError from source.
func usage(t *testing.T, err error, source string) *UsageError {
	t.Helper()
	var u *UsageError
	require.ErrorAs(t, err, &u)
	assert.Equal(t, source, u.Source)
	assert.NotContains(t, u.Error(), "\n")
	return u
}

func TestParseSizeAccepts(t *testing.T) {
	for raw, want := range map[string]amount{
		"4096":                {value: 4096},
		"4097":                {value: 8192},
		"4k":                  {value: 4096},
		"5K":                  {value: 8192},
		"1m":                  {value: 1 << 20},
		"1M":                  {value: 1 << 20},
		"3g":                  {value: 3 << 30},
		"2t":                  {value: 2 << 40},
		"8388607t":            {value: 8388607 << 40},
		"007g":                {value: 7 << 30},
		"9223372036854771712": {value: math.MaxInt64 - PageSize + 1},
		"1%":                  {value: 1, percent: true},
		"100%":                {value: 100, percent: true},
	} {
		got, err := parseSize("--size", raw)
		require.NoError(t, err, raw)
		assert.Equal(t, want, got, raw)
	}
}

func TestParseSizeRefuses(t *testing.T) {
	for raw, problem := range map[string]string{
		"":                     "is not a size",
		"k":                    "is not a size",
		"%":                    "is not a percentage",
		"1x":                   "is not a size",
		"1 k":                  "is not a size",
		" 1k":                  "is not a size",
		"1k\n":                 "is not a size",
		"-1":                   "is not a size",
		"+1g":                  "is not a size",
		"1_000_000":            "is not a size",
		"0x1000":               "is not a size",
		"1e9":                  "is not a size",
		"1.5g":                 "is not a size",
		"1kb":                  "is not a size",
		"1kk":                  "is not a size",
		"١٢٣٤٥":                "is not a size",
		"0":                    "less than one page",
		"0g":                   "less than one page",
		"4095":                 "less than one page",
		"3k":                   "less than one page",
		"0%":                   "is not a percentage",
		"101%":                 "is not a percentage",
		"-5%":                  "is not a percentage",
		"5k%":                  "is not a percentage",
		"8388608t":             "too large",
		"9223372036854771713":  "too large",
		"9223372036854775807":  "too large",
		"9223372036854775808":  "too large",
		"18446744073709551616": "too large",
		"99999999999999999999999999999999999999t": "too large",
	} {
		_, err := parseSize("--size", raw)
		u := usage(t, err, "--size")
		assert.Contains(t, u.Problem, problem, raw)
		assert.NotEmpty(t, u.Accepted, raw)
	}
}

func TestParseCount(t *testing.T) {
	got, err := parseCount("--nr-inodes", "100k", 2)
	require.NoError(t, err)
	assert.EqualValues(t, 100<<10, got)
	for _, raw := range []string{"", "1", "0", "-3", "10%", "x", "8388608t"} {
		_, err := parseCount("--nr-inodes", raw, 2)
		usage(t, err, "--nr-inodes")
	}
}

func TestAmountOfNeverOverflows(t *testing.T) {
	for _, c := range []struct {
		a     amount
		whole int64
		want  int64
	}{
		{amount{value: 50, percent: true}, 1000, 500},
		{amount{value: 33, percent: true}, 101, 33},
		{amount{value: 100, percent: true}, math.MaxInt64, math.MaxInt64},
		{amount{value: 1, percent: true}, 50, 0},
		{amount{value: 4096}, 1, 4096},
	} {
		assert.Equal(t, c.want, c.a.of(c.whole))
	}
}

func TestLongValuesAreCut(t *testing.T) {
	_, err := parseSize("--size", string(make([]byte, 10_000)))
	var u *UsageError
	require.True(t, errors.As(err, &u))
	assert.Less(t, len(u.Error()), 600)
}
