//go:build race

package watch

import "time"

// The race detector multiplies memory and time.
const (
	raceEnabled = true
	promised    = 5 * time.Second
)
