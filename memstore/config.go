package memstore

import (
	"fmt"
	"math"
	"math/bits"
)

// PageSize is the unit of allocation and accounting in bytes. It is the store's own; the kernel's page size may be larger,
// since memory is asked for and given back in slabs only.
const PageSize = 4096

const (
	pageShift = 12

	// MaxSize is the largest size of a blob in bytes: the largest offset of off_t, as on tmpfs.
	MaxSize = math.MaxInt64

	// DefaultIdleSlabs is how many wholly free slabs stay mapped when Config.IdleSlabs is 0: 16 MiB, enough for a burst of
	// small files, little enough for an idle mount.
	DefaultIdleSlabs = 8

	// TagBytes is what an encrypted page takes beyond its contents: a tag of 16 bytes and the number of times that its file's
	// key was used.
	TagBytes = tagSize + 8

	// KeyBytes is what the key of an encrypted blob takes while the blob has pages.
	KeyBytes = 80

	// MaxLimit is the largest Config.Limit: what 32-bit page references reach, two MiB short of 16 TiB.
	MaxLimit Bytes = (1<<23 - 1) * slabSize
)

// Sizes and offsets in memory are int: the package does not compile where that has 32 bits.
const _ uint = bits.UintSize - 64

// Bytes counts bytes.
type Bytes int64

// Pages counts pages of PageSize bytes.
type Pages int64

// Bytes returns the size of p pages.
func (p Pages) Bytes() Bytes { return Bytes(p) << pageShift }

// LockMode says how the arena is kept out of swap.
type LockMode uint8

const (
	// LockTry locks the whole arena where permitted, else as many slabs as RLIMIT_MEMLOCK allows. Usage tells which.
	LockTry LockMode = iota
	// LockRequire makes New fail with ErrNotLocked unless the whole arena is locked.
	LockRequire
	// LockNever locks nothing.
	LockNever
)

// KeyMemory says in what memory the keys of an encrypted store lie, and the parts of pages that it has to keep in clear for a
// moment.
type KeyMemory uint8

const (
	// KeysLocked makes New fail with ErrNotLocked unless it can be locked.
	KeysLocked KeyMemory = iota
	// KeysSecret asks for memfd_secret(2) as well, which root cannot read either. As long as it exists the machine cannot
	// hibernate.
	KeysSecret
	// KeysAnywhere locks it where that is permitted. Usage tells.
	KeysAnywhere
)

// Config describes a store. It is read once, by New.
type Config struct {
	// Limit bounds everything stored: pages of data, page tables, metadata, and pages that wait to be overwritten.
	// From PageSize to MaxLimit bytes.
	Limit Bytes
	// Inodes bounds reserved inodes; 0 means no bound.
	Inodes int64
	// OwnerLimit bounds the bytes of each owner; 0 means that only Limit applies.
	OwnerLimit Bytes
	// OwnerInodes bounds the inodes of each owner; 0 means that only Inodes applies.
	OwnerInodes int64
	// Lock says how the arena is kept out of swap.
	Lock LockMode
	// Encrypt keeps contents encrypted in the arena, which costs TagBytes for each page and KeyBytes for each blob with pages.
	Encrypt bool
	// Keys says where an encrypted store has its keys. Without Encrypt it means nothing.
	Keys KeyMemory
	// Files lets blobs lie in files of a tmpfs of the store's own, so that the kernel can be told to read and write them for
	// others (NewFile). It needs CAP_SYS_ADMIN in the initial user namespace, also later, and excludes Encrypt and OwnerLimit.
	Files bool
	// IdleSlabs is how many wholly free slabs of 2 MiB stay mapped for reuse. 0 means DefaultIdleSlabs, a negative number none.
	IdleSlabs int
}

// validate returns ErrInvalid naming the first field out of range.
func (c Config) validate() error {
	for _, f := range []struct {
		name     string
		v, least int64
		most     int64
	}{
		{"Limit", int64(c.Limit), PageSize, int64(c.maxLimit())},
		{"Inodes", c.Inodes, 0, math.MaxInt64},
		{"OwnerLimit", int64(c.OwnerLimit), 0, math.MaxInt64},
		{"OwnerInodes", c.OwnerInodes, 0, math.MaxInt64},
		{"Lock", int64(c.Lock), int64(LockTry), int64(LockNever)},
		{"Keys", int64(c.Keys), int64(KeysLocked), int64(KeysAnywhere)},
	} {
		if f.v < f.least || f.v > f.most {
			return fmt.Errorf("memstore: Config.%s is %d, accepted is %d to %d: %w", f.name, f.v, f.least, f.most, ErrInvalid)
		}
	}
	if c.Files && (c.Encrypt || c.OwnerLimit != 0) {
		return fmt.Errorf("memstore: Config.Files together with Encrypt or OwnerLimit: %w", ErrInvalid)
	}
	return nil
}

// maxLimit is MaxLimit, or a little less where pages have tags.
func (c Config) maxLimit() Bytes { return MaxLimit / slabPages * Bytes(c.perSlab()) }

// stride returns how far apart pages lie in a slab, in bytes: with Encrypt there is a tag behind each.
func (c Config) stride() int {
	if c.Encrypt {
		return PageSize + tagSize
	}
	return PageSize
}

// perSlab returns how many pages a slab has.
func (c Config) perSlab() int { return slabSize / c.stride() }

// sealCost returns what a page counts for beyond its contents, in bytes.
func (c Config) sealCost() int64 {
	if c.Encrypt {
		return TagBytes
	}
	return 0
}

// keyCost returns what a blob with pages counts for beyond them and their table, in bytes.
func (c Config) keyCost() int64 {
	if c.Encrypt {
		return KeyBytes
	}
	return 0
}

// idleSlabs returns IdleSlabs with its two special values resolved.
func (c Config) idleSlabs() int {
	if c.IdleSlabs == 0 {
		return DefaultIdleSlabs
	}
	return max(c.IdleSlabs, 0)
}
