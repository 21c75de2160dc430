//go:build linux && race

package integration

// raceEnabled says that these tests, and so the daemon they build, run under
// the race detector: several times slower and with several times the memory,
// which bounds on time and memory have to know.
const raceEnabled = true
