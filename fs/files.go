package fs

import "time"

// File is one entry of the mount root, for the owner's eyes. Its names are copies
// of its own; see Wipe.
type File struct {
	Requested string
	Assigned  string // the same as Requested outside a naming root
	UID       uint32
	Mode      uint32 // file type and permission bits
	Size      int64  // bytes; 0 for what is not a regular file
	Allocated int64  // bytes of pages held
	Created   time.Time
	PID       uint32 // the process that made it, 0 if not known
	Command   string // the program of that process

	// InUse says that it is open, or something below it is, where there is
	// a time to live; Expires is when it goes otherwise, zero if never.
	InUse   bool
	Expires time.Time
}

// Wipe overwrites the names of a file that Files returned. Nothing may read them,
// nor a copy of these strings, any more.
func (f File) Wipe() {
	wipeName(f.Requested)
	wipeName(f.Assigned)
}

// Files lists the entries of the mount root with both their names.
func (f *FS) Files() []File {
	d := f.root.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	files := make([]File, 0, len(d.byName))
	for _, e := range d.byName {
		file := fileOf(e)
		file.InUse, file.Expires = f.expiryOf(e.ino)
		files = append(files, file)
	}
	return files
}

// expiryOf says when an entry of the mount root goes.
func (f *FS) expiryOf(ino *inode) (inUseNow bool, at time.Time) {
	if f.lives == nil || f.lives.rules.TTL == 0 {
		return false, time.Time{}
	}
	last := f.lastUse(ino)
	if last == inUse {
		return true, time.Time{}
	}
	left := time.Duration(last-f.uptime()) + f.lives.rules.TTL
	return false, f.opts.Now().Add(left)
}

// fileOf describes an entry.
//
// Preconditions: e's directory is locked, for reading at least.
func fileOf(e *dentry) File {
	file := File{Requested: keepName(requestedName(e)), Assigned: keepName(e.name)}
	e.ino.mu.Lock()
	defer e.ino.mu.Unlock()
	file.UID, file.Mode = e.ino.uid, e.ino.mode
	file.Created = time.Unix(0, e.ino.btime)
	if e.alias != nil {
		file.PID, file.Command = e.alias.pid, e.alias.command
	}
	if b := e.ino.contents(); b != nil {
		file.Size = b.Size()
		file.Allocated = int64(b.Allocated().Bytes())
	}
	return file
}

// Entries counts the inodes that exist beside the mount root's.
func (f *FS) Entries() int64 { return max(f.store.Usage().Inodes-1, 0) }
