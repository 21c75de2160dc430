//go:build !race

package memstore

import "sync"

// mutex and rwMutex are sync's, with a rank in the type: a goroutine may lock only a higher rank than those it holds. Builds
// with -race enforce that (lockorder_race.go); in all others the types cost nothing.
type (
	mutex[R rank]   struct{ sync.Mutex }
	rwMutex[R rank] struct{ sync.RWMutex }
)
