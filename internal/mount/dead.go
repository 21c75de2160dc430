package mount

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// deadBound is how long a daemon may take to answer before its mount counts as alive: a dead one is answered for by the
// kernel, at once.
const deadBound = 500 * time.Millisecond

// ClearDead detaches a mount whose daemon is gone, as a kill of daemon and watcher together leaves it, and reports
// whether it did. A mount that belongs to another user is left alone, except by root.
//
// Unlike all else in this package it looks into the mount. If the daemon is there and hangs, one thread of the caller
// hangs with it, and keeps the mount in use, until the caller exits.
func ClearDead(e Entry) bool {
	if uid := os.Geteuid(); uid != 0 && uint32(uid) != e.OwnerUID {
		return false
	}
	return dead(e) && Detach(e) == nil
}

// dead reports whether the connection of a mount has ended: the kernel then answers every request with ENOTCONN, one
// that was waiting with ECONNABORTED, and one that a thread was to be given by ring with ECANCELED. The end of a killed
// process that has rings is not over yet when its parent has waited for it.
func dead(e Entry) bool {
	ended := make(chan bool, 1)
	go func() {
		err := ask(e)
		ended <- errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.ECANCELED)
	}()
	select {
	case is := <-ended:
		return is
	case <-time.After(deadBound):
		return false
	}
}

// ask sends a request. The kernel refuses it to those who may not enter, so root becomes the owner of a private mount
// for it: the calling goroutine is to end with it, and its thread ends then, since it is never unlocked.
func ask(e Entry) error {
	fd, err := e.pin(e.Mountpoint)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if os.Geteuid() == 0 && !e.Shared {
		runtime.LockOSThread()
		if err := becomeOwner(e); err != nil {
			return err
		}
	}
	var statistics unix.Statfs_t
	return unix.Fstatfs(fd, &statistics)
}

// becomeOwner gives the calling thread alone the identity that the kernel compares with that of the mount, see
// fuse_allow_current_process of the kernel: the raw calls, unlike those of package syscall, change one thread
// (setresuid(2), "C library/kernel differences").
//
// Preconditions: the calling goroutine is locked to its thread and never unlocked.
func becomeOwner(e Entry) error {
	gid, err := ownerGID(e)
	if err != nil {
		return err
	}
	for _, id := range []struct{ call, value uintptr }{{unix.SYS_SETRESGID, uintptr(gid)}, {unix.SYS_SETRESUID, uintptr(e.OwnerUID)}} {
		if _, _, errno := unix.RawSyscall(id.call, id.value, id.value, id.value); errno != 0 {
			return errno
		}
	}
	return nil
}

// ownerGID reads the group of a mount from the mount table.
func ownerGID(e Entry) (uint32, error) {
	infos, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.ID != e.ID, i.ID == e.ID })
	if err != nil || len(infos) != 1 {
		return 0, errors.Join(ErrNotSafetmp, err)
	}
	for word := range strings.SplitSeq(infos[0].VFSOptions, ",") {
		if text, ok := strings.CutPrefix(word, "group_id="); ok {
			gid, err := strconv.ParseUint(text, 10, 32)
			return uint32(gid), err
		}
	}
	return 0, ErrNotSafetmp
}
