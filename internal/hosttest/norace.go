//go:build !race

package hosttest

// Race is explained in race.go.
const Race = false
