package main

import (
	"errors"

	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/daemon"
	"safetmp/internal/fuseconn"
	"safetmp/internal/mount"
	"safetmp/policy"
)

// Exit codes are a promise to scripts: numbered once, never reused, listed in docs/operations.md, each with a script
// test in testdata/script.
const (
	exitOK      = 0 // done; run: the command's own status
	exitFailure = 1 // a failure that has no number of its own; one line says what
	exitUsage   = 2 // wrong flag, value, policy file or argument; nothing was mounted

	exitNoMountpoint  = 10 // the mountpoint does not exist
	exitNotDirectory  = 11 // the mountpoint is not a directory
	exitNotEmpty      = 12 // the mountpoint is not empty
	exitMounted       = 13 // a safetmp is mounted there already
	exitNotPermitted  = 14 // not permitted by the kernel, by fusermount3 or by the mount's owner
	exitNoDevice      = 15 // no usable /dev/fuse
	exitNoHelper      = 16 // no fusermount3, and no privilege to mount without it
	exitExposed       = 17 // contents could reach swap: they can be neither locked nor encrypted
	exitBusy          = 18 // the mount is in use; who holds it is listed
	exitNotSafetmp    = 19 // nothing of ours is mounted there
	exitWipeUncertain = 20 // unmounted, but nobody confirmed that everything was overwritten
	exitNoDaemon      = 21 // the mount is there and its daemon does not answer
	exitUnusable      = 22 // doctor: neither mount nor run can work here (1: they do, and something is weaker than promised)
	exitNoTransport   = 23 // --transport uring: this kernel does not offer FUSE over io_uring, or io_uring is forbidden; nothing was mounted
	exitNoPassthrough = 24 // --io passthrough: this kernel does not offer FUSE passthrough, or the privilege is missing; nothing was mounted

	exitRunFailed     = 125 // run: safetmp itself failed (user namespaces not available, no /dev/fuse, ...), the command was not started or was lost
	exitNotExecutable = 126 // run: the command was found and could not be executed
	exitNotFound      = 127 // run: the command was not found
	exitSignalBase    = 128 // run: signal n ended the command
)

// exitCodes maps the causes that packages report to their codes.
var exitCodes = []struct {
	cause error
	code  int
}{
	{mount.ErrNoMountpoint, exitNoMountpoint},
	{mount.ErrNotDirectory, exitNotDirectory},
	{mount.ErrNotEmpty, exitNotEmpty},
	{mount.ErrAlreadyMounted, exitMounted},
	{mount.ErrNotPermitted, exitNotPermitted},
	{mount.ErrNoDevice, exitNoDevice},
	{mount.ErrNoHelper, exitNoHelper},
	{mount.ErrNotSafetmp, exitNotSafetmp},
	{fuseconn.ErrNoRings, exitNoTransport},
	{daemon.ErrExposed, exitExposed},
	{daemon.ErrNoPassthrough, exitNoPassthrough},
	{unix.EBUSY, exitBusy},
}

// codeOf finds the exit code of an error by what it wraps.
func codeOf(err error) int {
	var usage *config.UsageError
	var parse *policy.ParseError
	if errors.As(err, &usage) || errors.As(err, &parse) {
		return exitUsage
	}
	for _, row := range exitCodes {
		if errors.Is(err, row.cause) {
			return row.code
		}
	}
	return exitFailure
}
