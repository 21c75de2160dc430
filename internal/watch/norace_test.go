//go:build !race

package watch

import "time"

const (
	raceEnabled = false
	promised    = time.Second
)
