//go:build race

package hosttest

// Race says that these tests, and so the daemons they build or are copies of, run under the race detector: several times
// slower and with several times the memory, which bounds on time and memory have to know.
const Race = true
