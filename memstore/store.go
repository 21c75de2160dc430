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
	files  *files  // immutable pointer; nil without Config.Files
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
	// Wiped counts the bytes that were overwritten at the end: every slab that was still mapped, whole, and what
	// files held since Retire.
	Wiped Bytes
	// Err says what could not be overwritten: files that somebody else goes on writing.
	Err error
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
	if cfg.Files {
		if s.files, err = newFiles(int64(cfg.Limit), &s.total); err != nil {
			a.unmap()
			return nil, err
		}
	}
	s.wiper = newWiper(a, s.files, &s.total)
	return s, nil
}

// NewBlob is for a store without Config.Files, see NewFile. It returns an empty blob whose bytes will count for the owner. It allocates and counts nothing; inodes are counted by
// ReserveInode, since not every inode has contents.
func (s *Store) NewBlob(owner uint32) *Blob {
	if s.files != nil {
		panic("memstore: NewBlob in a store of files")
	}
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

// GiveBack gives memory that holds nothing back to the kernel, that too which Config.IdleSlabs keeps for the next file. It is
// for a store at rest: the next file has to wait for memory again. After Close it does nothing.
func (s *Store) GiveBack() {
	if s.enter() != nil {
		return
	}
	defer s.leave()
	s.arena.giveBack()
}

// Progress says how far the overwriting of Close has come: how many bytes of how many. Both are zero before.
func (s *Store) Progress() (done, total Bytes) {
	total = Bytes(s.arena.toWipe.Load())
	done = Bytes(s.arena.wiped.Load())
	if s.files != nil {
		inFiles, ofFiles := s.files.progress()
		done, total = done+inFiles, total+ofFiles
	}
	return done, total
}

// Retire begins the end of a store with Config.Files: what is freed from now on is counted by Progress and by the report of
// Close, which lets nobody who has one of the files open keep or store anything in it.
func (s *Store) Retire() {
	if s.files != nil {
		s.files.retire()
	}
}

// Close waits for the operations under way, destroys the keys if there are any, overwrites every slab that is still mapped (pages in use, pages waiting for the
// wiper and free ones alike), unmaps the arena and says how much that was. Operations that come later fail with ErrInvalid. A
// second call returns the first one's report.
func (s *Store) Close() Report {
	s.closing.Do(func() {
		s.life.Lock()
		s.closed = true
		s.life.Unlock()
		s.Retire()
		s.wiper.close()
		start := time.Now()
		if s.vault != nil {
			s.vault.close() // from here on nobody can read what is still to be overwritten
		}
		s.report.Wiped = s.arena.wipeAll()
		if s.files != nil {
			s.report.Err = s.closeFiles()
			inFiles, _ := s.files.progress()
			s.report.Wiped += inFiles
		}
		s.report.Duration = time.Since(start)
		s.arena.unmap()
	})
	return s.report
}

// closeFiles is the end of the files of all blobs and of what the wiper has left. Preconditions: the wiper is closed.
func (s *Store) closeFiles() error {
	var all []file
	for c, ok := s.wiper.take(); ok; c, ok = s.wiper.take() {
		if c.isFile {
			all = append(all, c.file)
		}
	}
	for b := s.live.head; b != nil; b = b.next {
		all = append(all, b.fileLocked())
	}
	return s.files.close(all)
}
