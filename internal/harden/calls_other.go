//go:build !amd64 && !arm64

package harden

// processor 0 is none that we have a filter for.
const processor = 0

var olderCalls []uint32
