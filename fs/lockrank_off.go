//go:build !safetmp_lockcheck

package fs

import "sync"

// rankedMutex is a sync.Mutex whose order is checked under safetmp_lockcheck.
type rankedMutex struct{ sync.Mutex }

func (*rankedMutex) setRank(int) {}

// rankedRWMutex is a sync.RWMutex whose order is checked under
// safetmp_lockcheck.
type rankedRWMutex struct{ sync.RWMutex }

func (*rankedRWMutex) setRank(int) {}

// mustHoldNone checks nothing; under safetmp_lockcheck it panics if the calling
// goroutine holds a lock.
func mustHoldNone() {}
