package fs

// The kernel numbers what it learns of an inode, and drops an answer that was
// overtaken by a later one (attr_version in fs/fuse/inode.c). But for an entry
// that is made or removed, for a rename, setxattr(2) and fallocate(2) with
// KEEP_SIZE, and for pages that it writes back, it only marks the attributes as
// out of date (fuse_dir_changed, fuse_update_ctime in fs/fuse/dir.c): an answer
// that was given to one thread before such a change by another, and is taken up
// after it, counts as current again, and what is current is cached for good.
//
// So the change itself is followed by a notification, which takes a number
// (fuse_reverse_inval_inode). A thread takes up one answer before it asks the
// next thing, so nothing is sent where only the one that changes was told: one
// program alone costs nothing.

// several stands for threads that are more than one, or not known by a number.
const several = ^uint32(0)

// OnOvertaken sets what makes the kernel drop the attributes that it has of an
// inode, and those in answers that it has not taken up yet. It is called within
// the request that changed them, while the kernel holds that inode.
//
// It is to be called before the first request.
func (f *FS) OnOvertaken(expireAttr func(nodeid uint64)) { f.expireAttr = expireAttr }

// toldLocked notes that c is told the attributes of an inode.
//
// Preconditions: ino.mu is held.
func (ino *inode) toldLocked(c caller) {
	switch {
	case c.pid == 0: // not of the daemon's pid namespace, or the kernel's own
		ino.told = several
	case ino.told == 0:
		ino.told = c.pid
	case ino.told != c.pid:
		ino.told = several
	}
}

// overtaken says whether anybody but c may still be about to learn what ino was
// before c changed it, and that c knows.
func (ino *inode) overtaken(c caller) bool {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	told := ino.told
	ino.told = 0
	return told != 0 && told != c.pid
}

// overtake ends a change of inodes by c, nil ones left out: what others were told
// before, the kernel forgets. No lock may be held.
func (f *FS) overtake(c caller, changed ...*inode) {
	if f.expireAttr == nil {
		return
	}
	for _, ino := range changed {
		if ino != nil && ino.overtaken(c) {
			f.expireAttr(ino.id)
		}
	}
}

// overtakeLater is overtake for pages that the kernel writes back, in the name of
// nobody: it may wait for the reply before it lets go of the inode, and so must
// not be told of it within the request.
func (f *FS) overtakeLater(ino *inode) {
	if ino.overtaken(caller{}) {
		f.expireAttrSoon(ino)
	}
}
