package doctor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// RunTrial is the process that try starts in namespaces of its own. It writes an Inside as JSON. When it exits, its
// mounts and namespaces are gone.
//
// Errors: it is not alone in a pid namespace, so its mounts could be somebody's.
func RunTrial(w io.Writer) error {
	if os.Getpid() != 1 {
		return errors.New("the trial of the doctor runs in a pid namespace of its own")
	}
	// Mounts of the host still arrive here, ours do not leave (mount_namespaces(7)).
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return json.NewEncoder(w).Encode(Inside{Mount: outcome(err)})
	}
	var inside Inside
	inside.tryFUSE()
	inside.Proc = outcome(unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
	return json.NewEncoder(w).Encode(inside)
}

// tryFUSE mounts a filesystem, as `run` would, and reads its first request.
func (i *Inside) tryFUSE() {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		i.Mount = outcome(err)
		return
	}
	dir, err := mountSomewhere(fd)
	if i.Mount = outcome(err); err != nil {
		return
	}
	i.NoSymfollow = hasOption(dir, "nosymfollow")
	i.readInit(fd)
}

// trialSource is the source of the trial's mount in mountinfo(5).
const trialSource = "safetmp-doctor"

// mountSomewhere mounts on the first of some directories that are there on every machine.
func mountSomewhere(fd int) (dir string, err error) {
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d", fd, unix.S_IFDIR, os.Geteuid(), os.Getegid())
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOSYMFOLLOW
	for _, dir = range []string{"/tmp", "/var/tmp", "/dev", "/"} {
		err = unix.Mount(trialSource, dir, "fuse", flags, data)
		if !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return dir, err
}

// hasOption reports whether the topmost mount at dir shows an option. It asks the kernel's table: nobody answers for
// the filesystem itself.
func hasOption(dir, option string) bool {
	infos, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(dir))
	if err != nil || len(infos) == 0 {
		return false
	}
	return slices.Contains(strings.Split(infos[len(infos)-1].Options, ","), option)
}

// The INIT request: a header of 40 bytes, the version, readahead and flags (struct fuse_init_in of linux/fuse.h).
const (
	initMinor  = 44
	initFlags  = 52
	initFlags2 = 56
	initLeast  = 56       // without flags2, before Linux 5.17
	requestMax = 64 << 10 // more than the kernel asks for, FUSE_MIN_READ_BUFFER
)

// readInit reads the first request, which is there as soon as the filesystem is mounted.
func (i *Inside) readInit(fd int) {
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(ready, int(trialBound.Milliseconds())/2); n != 1 || err != nil {
		return
	}
	request := make([]byte, requestMax)
	if n, err := unix.Read(fd, request); err != nil || n < initLeast {
		return
	}
	i.Minor = binary.NativeEndian.Uint32(request[initMinor:])
	i.Flags = uint64(binary.NativeEndian.Uint32(request[initFlags:]))
	const initExt = 1 << 30 // FUSE_INIT_EXT: flags2 is there
	if i.Flags&initExt != 0 {
		i.Flags |= uint64(binary.NativeEndian.Uint32(request[initFlags2:])) << 32
	}
}
