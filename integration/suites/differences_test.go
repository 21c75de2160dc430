package suites

import "sync"

// difference is one place where a suite tolerates that safetmp is not tmpfs,
// or that a public test does not hold on Linux at all.
type difference struct {
	suite string
	key   string
	why   string
}

// furtherGroup is the reason of three rows.
const furtherGroup = "set-group-ID without execute is cleared where the file's group is not the first one of who changes it: the kernel tells a " +
	"FUSE daemon no other, and asks for the bit to be cleared with every write(2), truncate(2) and chown(2) by an ordinary user"

// differences is the whole list.
var differences = []difference{
	{"posixtest", "FcntlFlockLocksFile", "fails on tmpfs: it wants two descriptors of one process to conflict over a POSIX lock, which fcntl_locking(2) " +
		"excludes; go-fuse's own runner leaves it out as well"},

	{"kernel", "idmapped mount: mount_setattr", "a clear refusal, EINVAL: on a mount that may be idmapped the kernel tells the daemon the caller only where " +
		"something is made (FUSE_ALLOW_IDMAP), and whose names these are could not be told"},

	{"kernel", "groups: chgrp from a further group", furtherGroup},
	{"kernel", "groups: write to a file of a further group", furtherGroup},

	{"stress", "fiemap", "not possible on tmpfs either: neither answers FS_IOC_FIEMAP"},
	{"stress", "verity", "not possible on tmpfs either: neither has fs-verity"},
	{"stress", "io-uring", "fails on tmpfs too: this stress-ng asks IORING_OP_STATX for a path that it has not made"},

	{"model", "atime of a read", "reads that the page cache answers do not reach the daemon, and the kernel keeps no atime for FUSE (S_NOATIME)"},
	{"model", "atime of a listing", "a listing of a plain directory is cached by the kernel; the daemon may not see it"},
	{"model", "truncate of an empty file", "truncate(2) to 0 of a file of 0 bytes changes its times, since the kernel sends the same as for open(2) with " +
		"O_TRUNC, which has to"},
	{"model", "chown to nothing", "chown(2) to -1 and -1 of another user's set-id file is EPERM on tmpfs and clears the bits here: the kernel sends " +
		"the same request as for a write"},
	{"model", "set-id without room", "a fallocate(2) that fails with ENOSPC has cleared the set-id bits before: the kernel does so for FUSE before it asks"},
	{"model", "set-group-ID of a further group", furtherGroup},
	{"model", "zero range", "fallocate(2) with FALLOC_FL_ZERO_RANGE works, EOPNOTSUPP on tmpfs: nothing is lost by it. tmpfs is asked for the same " +
		"in three steps"},
	{"model", "whiteout", "renameat2(2) with RENAME_WHITEOUT is refused, EINVAL, and changes nothing: a whiteout is a device, of which there are none. " +
		"tmpfs is not asked"},
	{"model", "sendfile into itself", "sendfile(2) of a part of a file to where some of it is copies what was there where the page cache is bypassed; tmpfs sends " +
		"the pages that the same call writes to, and nothing says what comes of that"},
	{"model", "times of a FIFO", "what goes through a FIFO passes inside the kernel, which does not stamp FIFOs of FUSE (S_NOCMTIME)"},
	{"model", "fallocated is data", "SEEK_DATA and SEEK_HOLE take what fallocate made for data, tmpfs takes it for a hole; lseek(2) allows both"},
}

// occurred counts, for the log, how often each difference was met.
var occurred struct {
	mu    sync.Mutex
	times map[difference]int // guarded by mu
}

// tolerated says whether a difference is listed, and counts it.
func tolerated(suite, key string) bool {
	d, ok := listed(suite, key)
	if !ok {
		return false
	}
	occurred.mu.Lock()
	defer occurred.mu.Unlock()
	if occurred.times == nil {
		occurred.times = map[difference]int{}
	}
	occurred.times[d]++
	return true
}

func listed(suite, key string) (difference, bool) {
	for _, d := range differences {
		if d.suite == suite && d.key == key {
			return d, true
		}
	}
	return difference{}, false
}

// occurrences lists what one suite met, for its log.
func occurrences(suite string) map[string]int {
	occurred.mu.Lock()
	defer occurred.mu.Unlock()
	met := map[string]int{}
	for d, n := range occurred.times {
		if d.suite == suite {
			met[d.key] = n
		}
	}
	return met
}
