package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/policy"
)

// birth is a request for a new entry.
type birth struct {
	op      string
	rawName string
	rawMode uint32 // file type and permission bits
	rawLink string // a symlink's target
	opens   bool   // it is opened at once
	flags   uint32 // how, of open(2)
}

// Create makes and opens a regular file (open(2) with O_CREAT). Errors: those
// of the policy, EEXIST, ENOSPC, EDQUOT, ENOENT in a removed directory. Unless
// opens are answered it is ENOSYS: the kernel then sends MKNOD, after which it
// has nothing to release.
func (f *FS) Create(_ <-chan struct{}, in *fuse.CreateIn, rawName string, out *fuse.CreateOut) fuse.Status {
	if !f.answerOpens {
		return fuse.ENOSYS
	}
	f.enter(in.NodeId)
	defer f.leave()
	b := birth{op: "create", rawName: rawName, rawMode: syscall.S_IFREG | in.Mode&07777, opens: true, flags: in.Flags}
	ino, err := f.bear(callerOf(&in.InHeader), in.NodeId, b, &out.EntryOut)
	if err == nil {
		f.giveOpen(ino, &out.OpenOut)
	}
	return toStatus(err)
}

// Mkdir makes a directory (mkdir(2)). Errors as Create.
func (f *FS) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, rawName string, out *fuse.EntryOut) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	b := birth{op: "mkdir", rawName: rawName, rawMode: syscall.S_IFDIR | in.Mode&07777}
	_, err := f.bear(callerOf(&in.InHeader), in.NodeId, b, out)
	return toStatus(err)
}

// Mknod makes a regular file, a FIFO or a socket (open(2) with O_CREAT, mknod(2),
// bind(2)); devices are refused with EPERM by every profile. Errors as Create.
func (f *FS) Mknod(_ <-chan struct{}, in *fuse.MknodIn, rawName string, out *fuse.EntryOut) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	b := birth{op: "mknod", rawName: rawName, rawMode: in.Mode}
	if in.Mode&syscall.S_IFMT == syscall.S_IFREG {
		b.op = "create"
	}
	_, err := f.bear(callerOf(&in.InHeader), in.NodeId, b, out)
	return toStatus(err)
}

// Symlink makes a symbolic link (symlink(2)), refused with EPERM unless the
// policy allows the target.
func (f *FS) Symlink(_ <-chan struct{}, h *fuse.InHeader, rawTarget, rawName string, out *fuse.EntryOut) fuse.Status {
	f.enter(h.NodeId)
	defer f.leave()
	b := birth{op: "symlink", rawName: rawName, rawMode: syscall.S_IFLNK | 0777, rawLink: rawTarget}
	_, err := f.bear(callerOf(h), h.NodeId, b, out)
	return toStatus(err)
}

// Tmpfile makes a regular file without a name (open(2) with O_TMPFILE), which
// linkat(2) may name later.
func (f *FS) Tmpfile(_ <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	f.enter(in.NodeId)
	defer f.leave()
	b := birth{op: "tmpfile", rawMode: syscall.S_IFREG | in.Mode&07777, opens: f.answerOpens, flags: in.Flags}
	ino, err := f.tmpfile(callerOf(&in.InHeader), in.NodeId, b, &out.EntryOut)
	if err == nil {
		f.giveOpen(ino, &out.OpenOut)
	}
	return toStatus(err)
}

// bear decides on a new entry, makes it and answers with its inode, which it returns.
func (f *FS) bear(c caller, nodeid uint64, b birth, out *fuse.EntryOut) (*inode, error) {
	dir, err := f.directory(nodeid)
	if err != nil {
		return nil, err
	}
	mode, err := f.admit(c, dir, b)
	if err != nil {
		return nil, err
	}
	e, err := f.newEntry(c, dir, b.rawName, nil)
	if err != nil {
		return nil, err
	}
	contents, err := f.newContents(c.uid, mode)
	if err != nil {
		e.wipeNames(nil)
		return nil, err
	}
	room := e.cost() + bareBytes(mode, b.rawLink)
	if err := f.reserve(c.uid, room); err != nil {
		e.wipeNames(nil)
		f.dropContents(contents)
		return nil, err
	}
	if err := f.place(c, dir, e, func() *inode { return f.conceive(c, dir, mode, b, contents) }); err != nil {
		e.wipeNames(nil)
		f.unreserve(c.uid, room)
		f.dropContents(contents)
		return nil, err
	}
	f.overtake(c, dir)
	f.giveEntry(c, dir, e.ino, out)
	return e.ino, nil
}

// admit asks the policy about a new entry and returns the mode to store.
func (f *FS) admit(c caller, dir *inode, b birth) (uint32, error) {
	kind, ok := policy.KindOfMode(b.rawMode)
	if !ok {
		return 0, syscall.EINVAL
	}
	if kind == policy.KindSymlink {
		return b.rawMode, f.admitSymlink(c, dir, b)
	}
	d := f.policy.Create(policy.CreateRequest{Op: b.op, Kind: kind, RawName: b.rawName, RawMode: b.rawMode & 07777})
	return b.rawMode&syscall.S_IFMT | d.Mode, f.judge(c, b.op, b.rawName, d)
}

// admitSymlink asks the policy about a symlink's name and target.
func (f *FS) admitSymlink(c caller, dir *inode, b birth) error {
	if err := f.judge(c, b.op, b.rawName, f.policy.Name(b.op, b.rawName)); err != nil {
		return err
	}
	req := policy.SymlinkRequest{RawTarget: b.rawLink, Depth: f.depth(dir)}
	return f.judge(c, b.op, b.rawName, f.policy.Symlink(req))
}

// newEntry names an entry that c will add to dir; it is not added yet. It takes
// over the assigned name of old, if that has one.
func (f *FS) newEntry(c caller, dir *inode, rawName string, old *dentry) (*dentry, error) {
	e := &dentry{dir: dir, payer: c.uid, life: f.newLife(c, dir)}
	if !dir.dir.naming {
		e.name = keepName(rawName)
		return e, nil
	}
	if old != nil && old.alias != nil {
		e.name = old.name
	} else {
		assigned, err := f.opts.Namer.Assign(rawName)
		if err != nil {
			return nil, err
		}
		e.name = ownName(assigned)
	}
	e.alias = &alias{scope: f.scopeOf(c), requested: keepName(rawName), pid: c.pid, command: f.opts.Command(c.pid)}
	return e, nil
}

// place adds e to dir with the inode that conceive makes, unless the name is
// taken.
func (f *FS) place(c caller, dir *inode, e *dentry, conceive func() *inode) error {
	d := dir.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.vacantLocked(f.scopeOf(c), requestedName(e)); err != nil {
		return err
	}
	if e.alias != nil && d.byName[e.name] != nil {
		return syscall.EEXIST
	}
	e.ino = conceive()
	f.hangLocked(e)
	return nil
}

// vacantLocked says whether an entry may be added under a name: ENOENT in a
// removed directory, EEXIST if the name means something to s.
//
// Preconditions: d.mu is held.
func (d *directory) vacantLocked(s scope, rawName string) error {
	if d.dead {
		return syscall.ENOENT
	}
	if d.resolveLocked(s, rawName) != nil {
		return syscall.EEXIST
	}
	return nil
}

// requestedName is what the program asked for.
func requestedName(e *dentry) string {
	if e.alias != nil {
		return e.alias.requested
	}
	return e.name
}

// hangLocked adds e to its directory, links its fresh inode there and stamps
// the directory.
//
// Preconditions: e.dir.dir.mu is held; e's names are free.
func (f *FS) hangLocked(e *dentry) {
	e.dir.dir.addLocked(e)
	ino := e.ino
	ino.mu.Lock()
	ino.hangLocked(e)
	if !ino.isDir() {
		ino.nlink++
	}
	ino.mu.Unlock()
	f.stampParent(e.dir, f.now(), ino.isDir(), 1)
}

// stampParent marks a directory as changed and counts a subdirectory that came
// (step 1) or went (step -1).
func (f *FS) stampParent(dir *inode, now int64, subdir bool, step int32) {
	dir.mu.Lock()
	dir.touchLocked(now)
	if subdir && dir.nlink > 0 { // else a lifetime has removed it already
		dir.nlink = uint32(int32(dir.nlink) + step)
	}
	dir.mu.Unlock()
}

// conceive makes the inode of a new entry in dir. A directory that keeps its
// set-group-ID bit gives its group to what is made in it, as inode(7) says.
func (f *FS) conceive(c caller, dir *inode, mode uint32, b birth, contents fileContents) *inode {
	gid := c.gid
	dir.mu.Lock()
	if dir.mode&syscall.S_ISGID != 0 {
		gid = dir.gid
		if mode&syscall.S_IFMT == syscall.S_IFDIR {
			mode |= syscall.S_ISGID
		}
	}
	dir.mu.Unlock()
	ino := f.newInode(f.nextIno.Add(1), mode, c.uid, gid)
	ino.own(contents)
	if b.opens {
		ino.opens, ino.mappable = 1, f.inFiles && writes(b.flags)
	}
	switch mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		ino.dir = newDirectory(f.policy.NamingRoot(false))
		ino.nlink = 2
	case syscall.S_IFLNK:
		ino.makeRareLocked().link = keepName(b.rawLink)
	case syscall.S_IFIFO, syscall.S_IFSOCK:
		if session := f.sessionFor(c); session != 0 {
			ino.makeRareLocked().owner = session
		}
	}
	return ino
}

func (f *FS) tmpfile(c caller, nodeid uint64, b birth, out *fuse.EntryOut) (*inode, error) {
	dir, err := f.directory(nodeid)
	if err != nil {
		return nil, err
	}
	mode, err := f.admit(c, dir, b)
	if err != nil {
		return nil, err
	}
	contents, err := f.newContents(c.uid, mode)
	if err != nil {
		return nil, err
	}
	if err := f.reserve(c.uid, bareBytes(mode, "")); err != nil {
		f.dropContents(contents)
		return nil, err
	}
	ino := f.conceive(c, dir, mode, b, contents)
	f.orphans.Add(1)
	f.giveEntry(c, dir, ino, out)
	return ino, nil
}
