package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// BypassPageCache makes the kernel read and write the contents of every file
// through the daemon (FOPEN_DIRECT_IO), so that the page cache holds only what
// programs map. Two writers of one file do not wait for each other unless they
// append. It implies that opens are answered, and is to be called before the
// first request.
func (f *FS) BypassPageCache() {
	f.answerOpens = true
	f.openFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES
}

// BypassesPageCache says whether BypassPageCache was called.
func (f *FS) BypassesPageCache() bool { return f.openFlags&fuse.FOPEN_DIRECT_IO != 0 }

// Open opens a regular file (open(2) without O_CREAT, or of a file that exists).
// Unless opens are answered it is ENOSYS: the kernel then opens files by itself,
// without a round trip, and an inode stays for as long as the kernel references
// it. Errors: ESTALE, EISDIR, EINVAL.
func (f *FS) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if !f.answerOpens {
		return fuse.ENOSYS
	}
	f.enter(in.NodeId)
	defer f.leave()
	ino, err := f.regular(in.NodeId)
	if err == nil {
		_, err = f.living(in.NodeId)
	}
	if err != nil {
		return toStatus(err)
	}
	f.opened(ino, in.Flags)
	f.giveOpen(ino, out)
	return fuse.OK
}

// opened counts a descriptor of ino that a reply is about to hand out, open
// with these flags.
func (f *FS) opened(ino *inode, flags uint32) {
	ino.mu.Lock()
	ino.opens++
	fresh := f.inFiles && writes(flags) && !ino.mappable
	ino.mappable = ino.mappable || fresh
	ino.mu.Unlock()
	if fresh {
		f.expirePages(ino) // and the attributes, which the kernel believes for good
	}
}

// writes says whether a file is opened to be written to.
func writes(flags uint32) bool { return flags&syscall.O_ACCMODE != syscall.O_RDONLY }

// giveOpen answers with an open file.
func (f *FS) giveOpen(ino *inode, out *fuse.OpenOut) {
	if !f.answerOpens {
		return
	}
	out.OpenFlags |= f.openFlags
	ino.mu.Lock()
	out.BackingID = ino.rareLocked().backing
	ino.mu.Unlock()
}

// Release is the last close of what one open(2) made, duplicates and mappings
// included (RELEASE). It has no error that anybody would see.
func (f *FS) Release(_ <-chan struct{}, in *fuse.ReleaseIn) fuse.Status {
	if !f.answerOpens {
		return fuse.OK
	}
	ino, err := f.regular(in.NodeId)
	if err != nil {
		return toStatus(err)
	}
	if f.closeOne(ino) {
		f.expirePages(ino)
	}
	f.removeClosed(ino)
	return fuse.OK
}

// closeOne counts a descriptor of ino less and says whether the page cache may
// keep contents that nobody can see any more.
func (f *FS) closeOne(ino *inode) (stale bool) {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	ino.opens -= min(ino.opens, 1)
	f.useLocked(ino)
	if ino.opens > 0 || !ino.paged {
		return false
	}
	ino.paged = false
	return true
}

// passedPageCache notes that a request came from the page cache, although it is
// bypassed: somebody has mapped the file.
func (f *FS) passedPageCache(ino *inode) {
	if !f.BypassesPageCache() {
		return
	}
	ino.mu.Lock()
	ino.paged = true
	ino.mu.Unlock()
}
