//go:build race || safetmp_lockcheck

package fs

const plainBuild = false
