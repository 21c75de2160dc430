package memstore

import (
	"sync"
	"time"
)

// Store holds blobs in an arena of its own. All methods are safe for concurrent use.
type Store struct {
	cfg    Config  // immutable
	arena  *arena  // immutable pointer
	vault  *vault  // immutable pointer; nil unless contents are encrypted
	wiper  *wiper  // immutable pointer
	total  account // atomic
	owners owners
	live   liveList

	// life is held for reading by every operation and for writing by Close and Check, which need the store at rest.
	life   rwMutex[lifeRank]
	closed bool // guarded by life

	closing sync.Once
	report  Report // written inside closing
}

// Report says what Close did.
type Report struct {
	// Wiped counts the bytes that were overwritten at the end: every slab that was still mapped, whole.
	Wiped Bytes
	// Duration is how long the overwriting took.
	Duration time.Duration
}

// New reserves the address range for cfg.Limit and starts the store's one goroutine. No memory is used until something is
// written. It fails with ErrInvalid for a Config out of range, ErrNotLocked when LockRequire or Keys cannot be met, and
// ErrNoSpace when the kernel refuses the address range (RLIMIT_AS).
func New(cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a, err := newArena(cfg)
	if err != nil {
		return nil, err
	}
	var v *vault
	if cfg.Encrypt {
		if v, err = newVault(cfg.Keys); err != nil {
			a.unmap()
			return nil, err
		}
	}
	s := &Store{
		cfg:    cfg,
		vault:  v,
		arena:  a,
		total:  account{bytes: newCounter(int64(cfg.Limit)), inodes: newCounter(cfg.Inodes)},
		owners: owners{bytes: int64(cfg.OwnerLimit), inodes: cfg.OwnerInodes, all: map[uint32]*account{}},
	}
	s.wiper = newWiper(a, &s.total)
	return s, nil
}

// NewBlob returns an empty blob whose bytes will count for the owner. It allocates and counts nothing; inodes are counted by
// ReserveInode, since not every inode has contents.
func (s *Store) NewBlob(owner uint32) *Blob {
	return &Blob{s: s, owner: s.owners.get(owner)}
}

// enter keeps the store alive until leave. It fails with ErrInvalid after Close.
func (s *Store) enter() error {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return errClosed
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Progress says how far the overwriting of Close has come: how many bytes of how many. Both are zero before.
func (s *Store) Progress() (done, total Bytes) {
	total = Bytes(s.arena.toWipe.Load())
	return Bytes(s.arena.wiped.Load()), total
}

// Close waits for the operations under way, destroys the keys if there are any, overwrites every slab that is still mapped (pages in use, pages waiting for the
// wiper and free ones alike), unmaps the arena and says how much that was. Operations that come later fail with ErrInvalid. A
// second call returns the first one's report.
func (s *Store) Close() Report {
	s.closing.Do(func() {
		s.life.Lock()
		s.closed = true
		s.life.Unlock()
		s.wiper.close()
		start := time.Now()
		if s.vault != nil {
			s.vault.close() // from here on nobody can read what is still to be overwritten
		}
		s.report.Wiped = s.arena.wipeAll()
		s.report.Duration = time.Since(start)
		s.arena.unmap()
	})
	return s.report
}
