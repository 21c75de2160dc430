package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTTL(t *testing.T) {
	for raw, want := range map[string]time.Duration{
		"100ms": 100 * time.Millisecond, "30s": 30 * time.Second, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute,
		"2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "36500d": 36500 * 24 * time.Hour,
	} {
		b := New(System{})
		require.NoError(t, parseTTL(b, "--ttl", raw), raw)
		assert.Equal(t, want, b.ttl, raw)
	}
	for _, raw := range []string{"", "0", "0s", "10", "99ms", "-1s", "d", "1d-1h", "1d24h", "1.5d", "36501d", "99999999d", "1w", "ten", "1d2"} {
		b := New(System{})
		var usage *UsageError
		require.ErrorAs(t, parseTTL(b, "ttl", raw), &usage, raw)
		assert.Equal(t, acceptedTTLs, usage.Accepted)
		assert.Zero(t, b.ttl)
	}
}
