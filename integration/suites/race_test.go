//go:build race

package suites

// raceEnabled says that tests and daemons run under the race detector, several
// times slower.
const raceEnabled = true
