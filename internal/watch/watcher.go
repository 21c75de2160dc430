package watch

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/internal/harden"
	"safetmp/internal/lean"
	"safetmp/internal/mount"
)

// Descriptors that the watcher inherits beside 0, 1 and 2, which are /dev/null.
const (
	socketFD  = 3 // our end of the socket pair
	coveredFD = 4 // the covered directory, O_PATH
)

// closedMode is that of the covered directory while the filesystem is mounted, and after its daemon was killed.
const closedMode = 0o500

// A detach that fails, for want of memory perhaps, is tried again: an out-of-memory kill may have been what brought it
// about.
const (
	detachTries = 20
	detachPause = 100 * time.Millisecond
)

// ErrUse says that somebody ran the hidden command by hand.
var ErrUse = errors.New("this command is for safetmp's own use")

// watcher is the process beside the daemon. It has one goroutine.
type watcher struct {
	entry  mount.Entry
	table  int // /proc/self/mountinfo, to be told of changes; -1 once the mount is gone
	found  uint32
	closed bool   // the covered directory has closedMode because of us
	socket string // the daemon's control socket, empty if it has none
}

// Serve is the process that Start executes: args are those that it passed. It returns when the daemon has gone or has
// said goodbye, and then the process must exit.
func Serve(args []string) error {
	w, err := adopt(args)
	if err != nil {
		return err
	}
	if err := w.hide(); err != nil {
		return err
	}
	note := w.protect()
	if err := send(socketFD, sayDone, note); err != nil {
		return nil // the daemon has gone already: it was never served
	}
	lean.Shrink()
	w.follow()
	return nil
}

// adopt reads the arguments: mount id, device, unique id, mountpoint. The last is for ps(1) as well.
func adopt(args []string) (*watcher, error) {
	var stat unix.Stat_t
	if len(args) != 4 || unix.Fstat(socketFD, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, ErrUse
	}
	if err := unix.Fstat(coveredFD, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil, ErrUse
	}
	w := &watcher{found: stat.Mode & 0o7777, entry: mount.Entry{Mountpoint: args[3]}}
	device := &w.entry.Device
	_, err1 := fmt.Sscanf(args[1], "%d:%d", &device.Major, &device.Minor)
	id, err2 := strconv.Atoi(args[0])
	unique, err3 := strconv.ParseUint(args[2], 10, 64)
	w.entry.ID, w.entry.Unique = id, unique
	unix.CloseOnExec(socketFD)
	unix.CloseOnExec(coveredFD)
	table, err4 := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	w.table = table
	return w, errors.Join(err1, err2, err3, err4)
}

// hide keeps other processes of the uid from tracing the watcher, which may unmount what its daemon may not, and the
// signals with which a service manager ends a whole group of processes from ending it before its daemon.
func (w *watcher) hide() error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil // fusermount3 has to gain what it needs
	}
	// To unmount, to get to a directory, and to change its mode, whoever it belongs to.
	return harden.Keep(unix.CAP_SYS_ADMIN, unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER)
}

// follow waits for the daemon's words, for its end, and for the end of the mount.
func (w *watcher) follow() {
	for {
		events := []unix.PollFd{{Fd: socketFD, Events: unix.POLLIN}, {Fd: int32(w.table), Events: unix.POLLPRI}}
		if _, err := unix.Poll(events, -1); err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return
		}
		if events[1].Revents != 0 {
			w.look()
		}
		if events[0].Revents != 0 && w.listen() {
			return
		}
	}
}

// listen takes one packet, or the end of the daemon, and reports whether the watcher's work is done.
func (w *watcher) listen() (done bool) {
	kind, text, err := receive(socketFD)
	if err != nil {
		w.bury()
		return true
	}
	switch kind {
	case askUnmount:
		err = w.unmount(mount.Unmount)
	case askForce:
		err = w.unmount(mount.ForceDetach)
	case tellSocket:
		w.socket = text
	case askEnd:
		// Somebody may have aborted the connection and left the mount.
		_ = w.unmount(mount.Detach)
		done = true
	}
	kind, text = answerOf(err)
	return send(socketFD, kind, text) != nil || done
}

// unmount ends the mount in one way or another. When that has succeeded nobody looks for the mount again: what has its
// numbers by then is another one.
func (w *watcher) unmount(how func(mount.Entry) error) error {
	if w.gone() {
		return &mount.Error{Op: "unmount", Path: w.entry.Mountpoint, Err: mount.ErrNotSafetmp}
	}
	err := how(w.entry)
	if err == nil {
		w.giveBack()
	} else {
		w.look()
	}
	return err
}

// bury takes away what a dead daemon has left. The covered directory stays closed: nobody may take it for the safe
// place that was mounted there.
func (w *watcher) bury() {
	if w.socket != "" {
		_ = os.Remove(w.socket)
	}
	for try := 0; try < detachTries; try++ {
		w.look() // each time: somebody else may have unmounted it, and its numbers are another's then
		if w.gone() || mount.DetachAll(w.entry) == nil {
			return
		}
		time.Sleep(detachPause)
	}
}

// gone reports whether the filesystem was seen to be unmounted. It never comes back: the kernel may have given its
// numbers to another by now.
func (w *watcher) gone() bool { return w.table < 0 }

// look finds out whether the filesystem is still mounted, and gives the covered directory back if not.
func (w *watcher) look() {
	if !w.gone() && !w.mounted() {
		w.giveBack()
	}
}

// mounted asks for the mount by the number that is never used again, where there is one.
func (w *watcher) mounted() bool {
	if w.entry.Unique != 0 {
		return !w.entry.Gone()
	}
	return w.onTop() || w.listed()
}

// giveBack gives the covered directory back, once the filesystem is unmounted. Preconditions: not gone.
func (w *watcher) giveBack() {
	_ = unix.Close(w.table)
	w.table = -1
	w.restore()
	_ = unix.Close(coveredFD) // it would keep the filesystem below from being unmounted
}

// onTop is the quick answer to the usual case, that something else was mounted somewhere: the path of the covered
// directory leads into our filesystem, as far as its device number tells. statx(2) without a question does not ask the
// daemon.
func (w *watcher) onTop() bool {
	path, err := os.Readlink(fdPath(coveredFD))
	if err != nil {
		return false
	}
	var stat unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, 0, &stat)
	return err == nil && w.entry.Device == (mount.Device{Major: stat.Dev_major, Minor: stat.Dev_minor})
}

// listed asks the mount table.
func (w *watcher) listed() bool {
	entries, err := mount.Entries()
	if err != nil {
		return true
	}
	for _, e := range entries {
		if e.ID == w.entry.ID && e.Device == w.entry.Device {
			return true
		}
	}
	return false
}

// protect closes the covered directory. It returns why that was not possible, empty if it was.
func (w *watcher) protect() (note string) {
	if w.found == closedMode {
		return ""
	}
	if err := unix.Chmod(fdPath(coveredFD), closedMode); err != nil {
		return err.Error()
	}
	w.closed = true
	return ""
}

// restore gives the covered directory its mode back, unless somebody has changed it meanwhile.
func (w *watcher) restore() {
	var stat unix.Stat_t
	if w.closed && unix.Fstat(coveredFD, &stat) == nil && stat.Mode&0o7777 == closedMode {
		_ = unix.Chmod(fdPath(coveredFD), w.found)
	}
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// send writes one packet.
func send(fd int, kind byte, text string) error {
	packet := append([]byte{kind}, text...)
	return retry(func() error { return unix.Send(fd, packet[:min(len(packet), packetMost)], unix.MSG_NOSIGNAL) })
}

// receive reads one packet; an end of the socket is an error.
func receive(fd int) (kind byte, text string, err error) {
	buf := make([]byte, packetMost)
	var n int
	err = retry(func() error {
		n, err = unix.Read(fd, buf)
		return err
	})
	switch {
	case err != nil:
		return 0, "", err
	case n == 0:
		return 0, "", os.ErrClosed
	}
	return buf[0], string(buf[1:n]), nil
}

// retry repeats a call that a signal has interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
