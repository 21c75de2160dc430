package main

import (
	"fmt"
	"strings"
	"time"
)

// sizeText writes bytes with a binary unit, exact below 1 KiB.
func sizeText(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		value /= 1 << 10
		if value < 1<<10 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// ageText writes an age with one unit: 12s, 5m, 3h, 2d. An age below zero, of a clock that was set back, is 0s.
func ageText(age time.Duration) string {
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%ds", max(age/time.Second, 0))
	case age < time.Hour:
		return fmt.Sprintf("%dm", age/time.Minute)
	case age < 48*time.Hour:
		return fmt.Sprintf("%dh", age/time.Hour)
	}
	return fmt.Sprintf("%dd", age/(24*time.Hour))
}

// spanText writes a span of time that somebody chose, as they would: 10m, 1h30m.
func spanText(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// durationText writes how long something took, to a tenth of a millisecond.
func durationText(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
