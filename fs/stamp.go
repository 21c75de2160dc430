package fs

import "golang.org/x/sys/unix"

// stamp is a time that a program can choose: seconds since the epoch, in the
// whole range of time_t as on tmpfs, and nanoseconds up to 999999999. Times
// before the epoch have a negative second and a positive remainder, as in the
// protocol and in struct timespec.
type stamp struct {
	sec  int64
	nsec uint32
}

// stampOf is a time given in nanoseconds since the epoch, which reaches to the
// year 2262.
func stampOf(ns int64) stamp {
	sec, nsec := ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	return stamp{sec, uint32(nsec)}
}

// put writes the stamp the way that the protocol carries it.
func (s stamp) put(sec *uint64, nsec *uint32) { *sec, *nsec = uint64(s.sec), s.nsec }

// after says whether s is later than t.
func (s stamp) after(t stamp) bool {
	return s.sec > t.sec || s.sec == t.sec && s.nsec > t.nsec
}

// day is how old an atime gets before relatime renews it anyway, in seconds.
const day = 24 * 60 * 60

// accessedLocked marks the contents as read now, by the rules of relatime
// (mount(8)): only where nothing later than the last change says so already, or
// after a day. What the kernel answers from its caches is not seen here.
//
// Preconditions: ino.mu is held.
func (ino *inode) accessedLocked(now int64) {
	t := stampOf(now)
	if ino.atime.after(ino.mtime) && ino.atime.after(stampOf(ino.ctime)) && t.sec-ino.atime.sec < day {
		return
	}
	ino.atime = t
}

// accessed marks the contents as read through a file with these open flags.
func (f *FS) accessed(ino *inode, flags uint32) {
	if flags&unix.O_NOATIME != 0 {
		return
	}
	now := f.now()
	ino.mu.Lock()
	ino.accessedLocked(now)
	ino.mu.Unlock()
}
