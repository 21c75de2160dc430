package memstore

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
)

const (
	keySize = 32 // AES-256

	// cipherSlots is how many files have their expanded keys at hand. Expanding one again takes some 3 microseconds, which is
	// little beside the round trip of a request; the memory for them has to be locked, of which there may be little.
	cipherSlots = 64

	// sessions is how many operations may work on contents at once; more wait. Each has a page of locked memory.
	numSessions = 32

	// maxSeals is how many pages are sealed under one key. It bounds what GCM has to promise (SP 800-38D asks for distinct
	// nonces; 2^40 pages are 2^48 blocks of AES) and is out of reach: a century of a hundred thousand writes a second.
	maxSeals = 1 << 40
)

// fileKey is the key of one blob, from its first page to its last. In clear it exists in the vault only.
type fileKey struct {
	id      uint64                  // immutable; never used twice in a store
	wrapped [keySize + tagSize]byte // guarded by vault.mu; under the store's own key
	slot    *keySlot                // guarded by vault.mu; nil while it is not expanded
	sealed  uint64                  // guarded by Blob.mu; pages sealed so far, and so the last nonce
}

// keySlot holds one expanded key.
type keySlot struct {
	aead  cipher.AEAD // immutable; the value behind it lies in the vault
	place place       // immutable
	key   *fileKey    // guarded by vault.mu; nil: nobody's
	users int         // guarded by vault.mu; sessions that work with it
	used  bool        // guarded by vault.mu; since the clock's hand last passed
}

// session is one operation at work: a cipher, and the buffers that it needs. It belongs to whoever took it.
type session struct {
	v       *vault
	slot    *keySlot
	key     *fileKey
	aead    cipher.AEAD
	scratch []byte // a page in the vault, all zero between uses
	nonce   [nonceSize]byte
	data    [16]byte // additional data: identity and page number
}

// vault is the only memory in which keys and parts of pages in clear exist, apart from the caller's buffers. It is small, of
// a fixed size, and locked.
type vault struct {
	mem    secretMemory
	master keySlot // wraps the keys of files; nobody else has it
	fresh  []byte  // room for one key in clear; guarded by mu, all zero between uses

	mu    mutex[vaultRank]
	idle  sync.Cond       // signalled when a session ends
	free  []*session      // guarded by mu
	slots []*keySlot      // immutable slice
	hand  int             // guarded by mu; where the clock looks for a slot next
	keys  uint64          // guarded by mu; keys made so far
	nonce [nonceSize]byte // guarded by mu; see wrapNonceLocked
	all   [numSessions]session
}

func newVault(how KeyMemory) (*vault, error) {
	maker, err := newCipherMaker()
	if err != nil {
		return nil, err
	}
	v := &vault{}
	v.idle.L = &v.mu
	if err := v.mem.reserve((cipherSlots+1)*maker.size()+numSessions*PageSize+keySize, how); err != nil {
		return nil, err
	}
	v.master = v.newSlot(maker)
	for range cipherSlots {
		s := v.newSlot(maker)
		v.slots = append(v.slots, &s)
	}
	for i := range v.all {
		v.all[i] = session{v: v, scratch: v.mem.take(PageSize)}
		v.free = append(v.free, &v.all[i])
	}
	v.fresh = v.mem.take(keySize)
	v.withFreshKey(func(key []byte) { v.master.place.expand(key) })
	return v, nil
}

func (v *vault) newSlot(maker cipherMaker) keySlot {
	place := maker.at(v.mem.take(maker.size()))
	return keySlot{aead: place.aead(), place: place}
}

// withFreshKey calls do with a new random key in locked memory.
func (v *vault) withFreshKey(do func(key []byte)) {
	_, _ = rand.Read(v.fresh) // never fails
	do(v.fresh)
	clear(v.fresh)
}

// newKey makes the key of a blob, expanded at once, since something is about to be written under it.
func (v *vault) newKey() *fileKey {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys++
	k := &fileKey{id: v.keys}
	v.withFreshKey(func(key []byte) {
		v.master.aead.Seal(k.wrapped[:0], v.wrapNonceLocked(k), key, nil)
		v.expandLocked(k, key)
	})
	return k
}

// wrapNonceLocked is the nonce under which a key is wrapped, once in its life. It holds until the next call.
//
// Preconditions: mu is held.
func (v *vault) wrapNonceLocked(k *fileKey) []byte {
	binary.BigEndian.PutUint64(v.nonce[nonceSize-8:], k.id)
	return v.nonce[:]
}

// destroy makes a key unusable, and so everything that was sealed under it. Preconditions: no session works with it.
func (v *vault) destroy(k *fileKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(k.wrapped[:])
	if k.slot != nil {
		v.vacateLocked(k.slot)
	}
}

// vacateLocked overwrites an expanded key. Preconditions: mu is held, nobody uses the slot.
func (v *vault) vacateLocked(s *keySlot) {
	if s.users > 0 {
		panic("memstore: a key is destroyed while it is used")
	}
	s.place.erase()
	s.key.slot, s.key = nil, nil
}

// begin starts an operation on contents under k. It waits while too many are under way. It fails if the key was tampered with.
func (v *vault) begin(k *fileKey) (*session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.free) == 0 {
		v.idle.Wait()
	}
	if err := v.loadLocked(k); err != nil {
		return nil, err
	}
	c := v.free[len(v.free)-1]
	v.free = v.free[:len(v.free)-1]
	k.slot.users++
	k.slot.used = true
	c.slot, c.key, c.aead = k.slot, k, k.slot.aead
	binary.BigEndian.PutUint64(c.data[:], k.id)
	return c, nil
}

// end gives a session back; on nil it does nothing.
func (c *session) end() {
	if c == nil {
		return
	}
	scrubStack()
	v := c.v
	v.mu.Lock()
	defer v.mu.Unlock()
	c.slot.users--
	c.slot, c.key, c.aead = nil, nil, nil
	v.free = append(v.free, c)
	v.idle.Signal()
}

// loadLocked expands a key, if it is not.
//
// Preconditions: mu is held.
func (v *vault) loadLocked(k *fileKey) error {
	if k.slot != nil {
		return nil
	}
	key, err := v.master.aead.Open(v.fresh[:0], v.wrapNonceLocked(k), k.wrapped[:], nil)
	if err != nil {
		return errKeyCorrupt
	}
	v.expandLocked(k, key)
	clear(v.fresh)
	return nil
}

// expandLocked expands a key into a slot that nobody uses, of which there is always one: there are more than sessions.
//
// Preconditions: mu is held.
func (v *vault) expandLocked(k *fileKey, key []byte) {
	s := v.victimLocked()
	if s.key != nil {
		v.vacateLocked(s)
	}
	s.place.expand(key)
	s.key, k.slot = k, s
}

// victimLocked chooses the slot to use next: one that was not used since the clock's hand last passed. Preconditions: mu is held.
func (v *vault) victimLocked() *keySlot {
	for {
		s := v.slots[v.hand]
		v.hand = (v.hand + 1) % len(v.slots)
		if s.users == 0 && !s.used {
			return s
		}
		s.used = false
	}
}

// close overwrites everything. Preconditions: no session is under way.
func (v *vault) close() { v.mem.release() }

const (
	nonceSize = 12
	tagSize   = 16
)

// Wrapped once, so that refusing costs no allocation.
var (
	errWornOut    = fmt.Errorf("memstore: the key of this file was used as often as it may be: %w", ErrNoSpace)
	errKeyCorrupt = fmt.Errorf("memstore: the key of this file: %w", ErrCorrupt)
)

// seal encrypts src, a whole page, into sealed, the page and the tag behind it, and returns the version that opens it again.
// The nonce is a number that only grows, so it is never used twice under a key; page i and the key's identity are bound in.
//
// Preconditions: the blob's mu is held for writing.
func (c *session) seal(sealed, src []byte, i int64) (version uint64, err error) {
	if c.key.sealed >= maxSeals {
		return 0, errWornOut
	}
	c.key.sealed++
	c.bind(i, c.key.sealed)
	c.aead.Seal(sealed[:0], c.nonce[:], src, c.data[:])
	return c.key.sealed, nil
}

// open decrypts a sealed page into dst. Where anything differs from what seal made last, page and version included, the error
// is a CorruptError and dst is all zero.
func (c *session) open(dst, sealed []byte, i int64, version uint64) error {
	c.bind(i, version)
	if _, err := c.aead.Open(dst[:0], c.nonce[:], sealed, c.data[:]); err != nil {
		clear(dst[:PageSize])
		return &CorruptError{Page: i}
	}
	return nil
}

func (c *session) bind(i int64, version uint64) {
	binary.BigEndian.PutUint64(c.nonce[nonceSize-8:], version)
	binary.BigEndian.PutUint64(c.data[8:], uint64(i))
}
