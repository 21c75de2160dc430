package memstore

// Usage is a snapshot of what a store or one owner uses. Its fields are read one after another while others work, so they
// agree exactly only when nothing else runs.
type Usage struct {
	// Used counts pages of data, page tables, metadata and pages waiting to be overwritten; never above Limit.
	Used Bytes
	// Limit bounds Used. Zero for an owner without a share of its own.
	Limit Bytes
	// Meta is the part of Used that ChargeMeta took.
	Meta Bytes
	// Wiping is the part of Used that is freed and waits to be overwritten.
	Wiping Bytes
	// Inodes counts reserved inodes.
	Inodes int64
	// InodeLimit bounds Inodes; 0 means no bound.
	InodeLimit int64

	// Resident is what the arena occupies in RAM, whole slabs. Store only.
	Resident Bytes
	// Locked says that no page of the arena can reach swap, now or later. Store only.
	Locked bool
	// LockedBytes is the part of the arena that is locked, resident or not. Store only.
	LockedBytes Bytes
	// LockReason says why Locked is false, in words for a person; empty when it is true. Store only.
	LockReason string
	// InFiles says that contents lie in files that never swap. Store only.
	InFiles bool
	// Encrypted says that contents lie in the arena encrypted. Store only.
	Encrypted bool
	// KeysLocked says that the keys, and whatever is decrypted for a moment, cannot reach swap. Store only.
	KeysLocked bool
	// KeyMemory says in words for a person in what memory the keys lie; empty unless Encrypted. Store only.
	KeyMemory string
}

// Usage returns what the whole store uses. After Close everything but the limits is zero.
func (s *Store) Usage() Usage {
	u := Usage{Limit: s.cfg.Limit, InodeLimit: s.cfg.Inodes}
	if s.enter() != nil {
		u.LockReason = "the store is closed"
		return u
	}
	defer s.leave()
	u.count(&s.total)
	if s.files != nil {
		u.InFiles = true
		u.Used += Bytes(s.files.tmpfs.used())
	}
	u.Resident = s.arena.resident()
	u.Locked, u.LockedBytes, u.LockReason = s.arena.lockState()
	if s.vault != nil {
		u.Encrypted, u.KeysLocked, u.KeyMemory = true, s.vault.mem.locked, s.vault.mem.kind
	}
	return u
}

// OwnerUsage returns what one owner uses; zero for an owner that has nothing.
func (s *Store) OwnerUsage(owner uint32) Usage {
	u := Usage{Limit: s.cfg.OwnerLimit, InodeLimit: s.cfg.OwnerInodes}
	if s.enter() != nil {
		return u
	}
	defer s.leave()
	u.count(s.owners.get(owner))
	return u
}

func (u *Usage) count(a *account) {
	u.Wiping = Bytes(a.wiping.Load())
	u.Meta = Bytes(a.meta.Load())
	u.Used = Bytes(a.bytes.used.Load())
	u.Inodes = a.inodes.used.Load()
}
