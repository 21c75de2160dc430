//go:build !race

package suites

// raceEnabled is explained in race_test.go.
const raceEnabled = false
