//go:build linux && !race

package integration

// raceEnabled is explained in race.go.
const raceEnabled = false
