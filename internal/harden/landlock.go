package harden

import (
	"errors"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// restrictFiles shuts the file systems, and what else Landlock knows, as far as this kernel's Landlock goes.
func restrictFiles(c Config) error {
	if !hasLandlock() {
		return errors.New("the kernel has no Landlock, or it was not switched on at boot")
	}
	config := landlock.V9
	if c.Signals {
		config.Scoped &^= ll.ScopeSignal
	}
	if c.Backing != nil {
		// Whoever is restricted about files may not change the size of a file system either (hook_sb_remount).
		config.HandledAccessFS = 0
		return config.BestEffort().Restrict()
	}
	return config.BestEffort().Restrict(rules(c)...)
}

// rules lists what stays open.
func rules(c Config) []landlock.Rule {
	open := []landlock.Rule{
		// Names of processes, the mount table, the list of threads.
		landlock.PathAccess(ll.AccessFSReadFile|ll.AccessFSReadDir, "/proc"),
	}
	if c.Folder != "" {
		open = append(open, landlock.PathAccess(ll.AccessFSRemoveFile, c.Folder))
	}
	for _, path := range c.Writable {
		open = append(open, landlock.RWFiles(path).IgnoreIfMissing())
	}
	return open
}

// hasLandlock asks for the version of the kernel's Landlock, landlock_create_ruleset(2).
func hasLandlock() bool {
	const versionFlag = 1 // LANDLOCK_CREATE_RULESET_VERSION
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, versionFlag)
	return errno == 0 && version > 0
}
