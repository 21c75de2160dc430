package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireCorpus fails a fuzz target whose committed seeds are gone: without them plain `go test` would try nothing.
func requireCorpus(f *testing.F) {
	f.Helper()
	seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name()))
	require.NoError(f, err, "the seed corpus of %s is missing", f.Name())
	require.NotEmpty(f, seeds, "the seed corpus of %s is empty", f.Name())
}

// FuzzParseSize: whatever is accepted is whole pages and positive, and whatever is refused says so in one line.
func FuzzParseSize(f *testing.F) {
	requireCorpus(f)
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseSize("--size", raw)
		if err != nil {
			requireUsage(t, err)
			return
		}
		if got.percent {
			assert.True(t, got.value >= 1 && got.value <= 100, "%q gave %d%%", raw, got.value)
			return
		}
		assert.GreaterOrEqual(t, got.value, int64(PageSize))
		assert.Zero(t, got.value%PageSize)
	})
}

// FuzzParseList: no list panics, and Options that come of one keep every bound.
func FuzzParseList(f *testing.F) {
	requireCorpus(f)
	f.Fuzz(func(t *testing.T, rawList string) {
		if strings.Contains(rawList, "policy=") {
			return // opens files
		}
		b := New(fakeSystem(0))
		if err := b.ParseList(rawList); err != nil {
			requireUsage(t, err)
			return
		}
		got, err := b.Finish()
		if err != nil {
			requireUsage(t, err)
			return
		}
		checkOptions(t, got)
	})
}

// checkOptions asserts what Finish promises.
func checkOptions(t *testing.T, o Options) {
	t.Helper()
	assert.True(t, o.SizeBytes >= PageSize && o.SizeBytes <= 8<<30 && o.SizeBytes%PageSize == 0, "size %d", o.SizeBytes)
	assert.GreaterOrEqual(t, o.Inodes, int64(leastInodes))
	assert.Zero(t, o.Mode&^0o1777)
	if o.Shared {
		assert.True(t, o.UserSizeBytes >= PageSize && o.UserSizeBytes <= o.SizeBytes)
		assert.True(t, o.UserInodes >= 1 && o.UserInodes <= o.Inodes)
	}
	_, err := o.Policy()
	assert.NoError(t, err)
}

func requireUsage(t *testing.T, err error) {
	t.Helper()
	var u *UsageError
	require.True(t, errors.As(err, &u), "%v", err)
	line := u.Error()
	require.NotContains(t, line, "\n")
	require.NotContains(t, line, "\x1b")
	require.NotEmpty(t, u.Source)
}
