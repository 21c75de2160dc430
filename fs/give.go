package fs

// give lets the new owner of an inode find its entries in naming roots as well,
// under the assigned name and, unless one of the new owner's own has it, under
// the requested one: what root prepares for an application and gives to its user
// with chown(2) would be out of that user's reach otherwise. Who made the entry
// goes on finding it.
func (f *FS) give(ino *inode, uid uint32) {
	ino.mu.Lock()
	entries := append([]*dentry{ino.entry}, ino.rareLocked().more...)
	ino.mu.Unlock()
	for _, e := range entries {
		if e != nil && e.alias != nil {
			e.dir.dir.giveEntry(e, uid)
		}
	}
}

// giveEntry makes uid the heir of an entry, unless it has gone meanwhile.
func (d *directory) giveEntry(e *dentry, uid uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byName[e.name] != e {
		return
	}
	d.dropNamesLocked(e)
	e.alias.heir, e.alias.given = uid, uid != e.alias.scope.uid
	d.addNamesLocked(e)
}
