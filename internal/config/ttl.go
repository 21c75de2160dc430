package config

import (
	"strconv"
	"strings"
	"time"
)

// Bounds of a time to live: below the one the daemon would do nothing else than look, above the other its clock ends.
const (
	leastTTL = 100 * time.Millisecond
	mostTTL  = 36500 * 24 * time.Hour
)

const acceptedTTLs = "a time from 100ms to 36500d, such as 30s, 10m, 1h30m or 2d; without the option nothing expires"

// parseTTL reads a time: days, and what time.ParseDuration takes behind them.
func parseTTL(b *Builder, source, raw string) error {
	ttl, ok := parseTime(raw)
	if !ok || ttl < leastTTL || ttl > mostTTL {
		return badValue(source, raw, "a time to live", acceptedTTLs)
	}
	b.ttl = ttl
	return nil
}

func parseTime(raw string) (time.Duration, bool) {
	days, rest, hasDays := strings.Cut(raw, "d")
	if !hasDays {
		t, err := time.ParseDuration(raw)
		return t, err == nil
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, false
	}
	total := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return total, true
	}
	t, err := time.ParseDuration(rest)
	return total + t, err == nil && t >= 0 && t < 24*time.Hour
}
