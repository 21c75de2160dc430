package fs

// exchangeLocked carries out RENAME_EXCHANGE: each entry takes the requested
// name of the other and keeps its own assigned name. Where one was named by its
// assigned name, which cannot move, the two change places altogether.
//
// Preconditions: both directories are locked, m is resolved.
func (f *FS) exchangeLocked(m *move) error {
	if namedByAssigned(m.src, m.rawOld) || namedByAssigned(m.dst, m.rawNew) {
		f.swapInodesLocked(m)
		return nil
	}
	there, err := f.renamedEntry(m, m.src, m.to, m.rawNew)
	if err != nil {
		return err
	}
	back, err := f.renamedEntry(m, m.dst, m.from, m.rawOld)
	if err != nil {
		f.abandon(there, m.src)
		return err
	}
	f.forgetNamesLocked(m.src, m.rawOld, there)
	f.forgetNamesLocked(m.dst, m.rawNew, back)
	f.rehangLocked(m.src, there, m.now)
	f.rehangLocked(m.dst, back, m.now)
	return nil
}

// namedByAssigned says whether used is the assigned name of e and not its
// requested one.
func namedByAssigned(e *dentry, used string) bool {
	return e.alias != nil && e.alias.requested != used
}

// swapInodesLocked lets two entries keep all their names and change inodes.
//
// Preconditions: both directories are locked, m is resolved.
func (f *FS) swapInodesLocked(m *move) {
	a, b := m.src.ino, m.dst.ino
	m.src.ino, m.dst.ino = b, a
	if m.src.life != nil && m.dst.life != nil {
		m.src.life, m.dst.life = m.dst.life, m.src.life
	}
	f.relink(a, m.src, m.dst, m.now)
	f.relink(b, m.dst, m.src, m.now)
	across := m.from != m.to
	f.stampParent(m.from, m.now, across && a.isDir(), -1)
	f.stampParent(m.from, m.now, across && b.isDir(), 1)
	f.stampParent(m.to, m.now, across && b.isDir(), -1)
	f.stampParent(m.to, m.now, across && a.isDir(), 1)
	f.otherName(m.src, m.rawOld)
	f.otherName(m.dst, m.rawNew)
}
