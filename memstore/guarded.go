//go:build !goexperiment.runtimesecret

package memstore

// guarded calls do and overwrites the stack that it used. Built with GOEXPERIMENT=runtimesecret, the registers and what do
// allocated are overwritten as well.
func guarded(do func()) {
	do()
	scrubStack()
}
