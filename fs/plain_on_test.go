//go:build !race && !safetmp_lockcheck

package fs

// plainBuild says that memory and time are those of a released daemon.
const plainBuild = true
