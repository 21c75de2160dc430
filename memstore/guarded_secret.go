//go:build goexperiment.runtimesecret

package memstore

import "runtime/secret"

// guarded calls do and has the runtime overwrite the stack and the registers that it used, and what it allocated, once that is
// garbage.
func guarded(do func()) { secret.Do(do) }
