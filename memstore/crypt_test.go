package memstore

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// encryptedStore makes a store that is checked and closed at the end.
func encryptedStore(t *testing.T) *Store {
	t.Helper()
	s, err := New(Config{Limit: 64 << 20, Encrypt: true, Lock: LockNever})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

var secretText = bytes.Repeat([]byte("m4rk3r:0123456789abcdef-ghijklmn"), 3*PageSize/32)

// filled is a blob of three pages of secretText.
func filled(t *testing.T, s *Store) *Blob {
	t.Helper()
	b := s.NewBlob(0)
	n, err := b.WriteAt(secretText, 0)
	require.NoError(t, err)
	require.Equal(t, len(secretText), n)
	return b
}

// sealed returns the stored bytes of page i, its tag included.
func (b *Blob) sealed(i int64) []byte {
	leaf, _ := b.table.find(i)
	return b.s.arena.page(leaf[i])
}

func TestNothingReadableIsStored(t *testing.T) {
	s := encryptedStore(t)
	b := filled(t, s)
	for _, step := range []func() (int, error){
		func() (int, error) { return b.WriteAt([]byte("m4rk3r:0123"), 100) },
		func() (int, error) { return b.ReadAt(make([]byte, 100), 20) },
		func() (int, error) { return 0, b.Punch(5000, 100) },
		func() (int, error) { return 0, b.Truncate(9000) },
	} {
		_, err := step()
		require.NoError(t, err)
		assert.Zero(t, s.Copies([]byte("m4rk3r:")))
		assert.Zero(t, bytes.Count(s.vault.mem.bytes, []byte("m4rk3r:")), "scratch pages are overwritten")
	}
	require.NoError(t, s.Check())
	b.Free()
	assert.Zero(t, s.Usage().Used)
}

// Whatever is done to stored pages, what is read is either what was written or an error that names the page.
func TestTamperedPagesAreFoundOut(t *testing.T) {
	swap := func(x, y []byte) {
		keep := bytes.Clone(x)
		copy(x, y)
		copy(y, keep)
	}
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, b, other *Blob)
		pages  []int64 // that must fail
	}{
		{"a bit of the contents", func(t *testing.T, b, _ *Blob) { b.sealed(1)[77] ^= 1 }, []int64{1}},
		{"the last bit of the contents", func(t *testing.T, b, _ *Blob) { b.sealed(2)[PageSize-1] ^= 128 }, []int64{2}},
		{"a bit of the tag", func(t *testing.T, b, _ *Blob) { b.sealed(0)[PageSize+15] ^= 1 }, []int64{0}},
		{"all zero", func(t *testing.T, b, _ *Blob) { clear(b.sealed(1)) }, []int64{1}},
		{"moved within the file", func(t *testing.T, b, _ *Blob) { swap(b.sealed(0), b.sealed(2)) }, []int64{0, 2}},
		{"moved between files", func(t *testing.T, b, other *Blob) { swap(b.sealed(1), other.sealed(1)) }, []int64{1}},
		{"references exchanged", func(t *testing.T, b, _ *Blob) {
			leaf, _ := b.table.find(0)
			leaf[0], leaf[1] = leaf[1], leaf[0]
		}, []int64{0, 1}},
		{"replayed with its tag", func(t *testing.T, b, _ *Blob) {
			old := bytes.Clone(b.sealed(1))
			_, err := b.WriteAt(bytes.Repeat([]byte{7}, PageSize), PageSize)
			require.NoError(t, err)
			copy(b.sealed(1), old)
		}, []int64{1}},
		{"a page of before the key changed", func(t *testing.T, b, _ *Blob) {
			old := bytes.Clone(b.sealed(1))
			require.NoError(t, b.Truncate(0))
			_, err := b.WriteAt(secretText, 0)
			require.NoError(t, err)
			copy(b.sealed(1), old)
		}, []int64{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := encryptedStore(t)
			b, other := filled(t, s), filled(t, s)
			c.tamper(t, b, other)
			wantCorrupt(t, b, c.pages)
			for _, i := range c.pages { // a whole page written anew makes it good again
				_, err := b.WriteAt(secretText[:PageSize], i*PageSize)
				require.NoError(t, err)
			}
			_, err := b.ReadAt(make([]byte, len(secretText)), 0)
			require.NoError(t, err)
		})
	}
}

// wantCorrupt reads, changes and cuts each page and demands an error for those listed.
func wantCorrupt(t *testing.T, b *Blob, pages []int64) {
	t.Helper()
	bad := map[int64]bool{}
	for _, i := range pages {
		bad[i] = true
	}
	for i := range int64(3) {
		for _, n := range []int{PageSize, 100} {
			dst := bytes.Repeat([]byte{0xee}, n)
			got, err := b.ReadAt(dst, i*PageSize)
			if !bad[i] {
				require.NoError(t, err)
				require.Equal(t, n, got)
				continue
			}
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt)
			assert.ErrorIs(t, err, ErrCorrupt)
			assert.Equal(t, i, corrupt.Page)
			assert.Equal(t, make([]byte, n), dst, "nothing of it reaches the caller")
		}
		if bad[i] {
			_, err := b.WriteAt([]byte("x"), i*PageSize+5)
			assert.ErrorIs(t, err, ErrCorrupt)
			assert.ErrorIs(t, b.Punch(i*PageSize+5, 10), ErrCorrupt)
			assert.ErrorIs(t, b.Zero(i*PageSize+5, 10, true), ErrCorrupt)
			before := b.Size()
			assert.ErrorIs(t, b.Truncate(i*PageSize+5), ErrCorrupt)
			assert.Equal(t, before, b.Size(), "a refused cut changes nothing")
		}
	}
	whole := make([]byte, len(secretText))
	n, err := b.ReadAt(whole, 0)
	assert.ErrorIs(t, err, ErrCorrupt)
	assert.Zero(t, n)
	assert.True(t, bytes.Equal(whole, make([]byte, len(secretText))), "not even what came before it")
	assert.ErrorIs(t, b.s.Check(), ErrCorrupt, "and a check of the whole store sees it")
}

func TestTamperedKeyIsFoundOut(t *testing.T) {
	s := encryptedStore(t)
	b := filled(t, s)
	s.vault.mu.Lock()
	s.vault.vacateLocked(b.key.slot) // so that it has to be unwrapped again
	s.vault.mu.Unlock()
	b.key.wrapped[3] ^= 1
	_, err := b.ReadAt(make([]byte, 10), 0)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = b.WriteAt(secretText, 0)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, b.Punch(1, 1), ErrCorrupt)
	b.Free()
	assert.Zero(t, s.Usage().Used, "it can still be removed")
}

// nonceCounter stands before a cipher and fails the test when a nonce is used twice under one key.
type nonceCounter struct {
	cipher.AEAD
	t    *testing.T
	mu   *sync.Mutex
	seen map[string]bool // identity of the key and nonce
}

func (c nonceCounter) Seal(dst, nonce, plaintext, data []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	use := string(data[:8]) + string(nonce)
	assert.False(c.t, c.seen[use], "nonce %x was used before under this key", nonce)
	c.seen[use] = true
	return c.AEAD.Seal(dst, nonce, plaintext, data)
}

func TestNoNonceIsUsedTwice(t *testing.T) {
	s := encryptedStore(t)
	seen, mu := map[string]bool{}, sync.Mutex{}
	for _, slot := range s.vault.slots {
		slot.aead = nonceCounter{AEAD: slot.aead, t: t, mu: &mu, seen: seen}
	}
	const blobs = cipherSlots + 20 // so that keys come and go
	all := make([]*Blob, blobs)
	for i := range all {
		all[i] = s.NewBlob(0)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(w)))
			for range 3000 {
				abuse(t, rng, all[rng.IntN(blobs)])
			}
		})
	}
	wg.Wait()
	assert.Greater(t, len(seen), 5000, "pages were sealed")
	require.NoError(t, s.Check())
}

// abuse does something at random that seals, empties or cuts a blob.
func abuse(t *testing.T, rng *rand.Rand, b *Blob) {
	off, n := rng.Int64N(4*PageSize), 1+rng.Int64N(2*PageSize)
	var err error
	switch rng.IntN(6) {
	case 0:
		err = b.Truncate(0)
	case 1:
		err = b.Truncate(off)
	case 2:
		err = b.Punch(off, n)
	case 3:
		err = b.Zero(off, n, false)
	default:
		_, err = b.WriteAt(secretText[:n], off)
	}
	assert.NoError(t, err)
}

func TestKeyIsNotUsedMoreOftenThanItMay(t *testing.T) {
	s := encryptedStore(t)
	b := filled(t, s)
	b.key.sealed = maxSeals - 1
	n, err := b.WriteAt(secretText, 0)
	require.NoError(t, err)
	assert.Equal(t, PageSize, n, "one page more was allowed")
	_, err = b.WriteAt(secretText, 0)
	require.ErrorIs(t, err, ErrNoSpace)
	require.ErrorIs(t, b.Punch(10, 10), ErrNoSpace)
	got := make([]byte, len(secretText))
	_, err = b.ReadAt(got, 0)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(secretText, got), "what is stored stays readable")
	require.NoError(t, b.Truncate(0)) // and has a new key from here on
	_, err = b.WriteAt(secretText, 0)
	require.NoError(t, err)
}

// The key of a large file is gone before its pages are overwritten.
func TestFreeDestroysTheKeyFirst(t *testing.T) {
	for name, end := range map[string]func(b *Blob) error{
		"free":     func(b *Blob) error { b.Free(); return nil },
		"truncate": func(b *Blob) error { return b.Truncate(0) },
		"punch":    func(b *Blob) error { return b.Punch(0, MaxSize) },
	} {
		t.Run(name, func(t *testing.T) {
			s := encryptedStore(t)
			b := s.NewBlob(0)
			require.NoError(t, b.Allocate(0, 30<<20, false))
			_, err := b.WriteAt(secretText, 20<<20)
			require.NoError(t, err)
			stored := b.table.root.dir[10].leaf[0]
			key, slot := b.key, b.key.slot
			require.NotNil(t, slot)
			s.StopWiper()
			require.NoError(t, end(b))
			assert.False(t, isZero(s.arena.page(stored)[:PageSize]), "the pages wait")
			assert.Equal(t, [keySize + tagSize]byte{}, key.wrapped)
			assert.Nil(t, slot.key)
			assert.True(t, slot.place.v.Elem().IsZero(), "the expanded key is overwritten")
			s.WaitWiped()
			assert.True(t, s.arena.pristine(stored))
		})
	}
}

func TestMoreFilesThanExpandedKeys(t *testing.T) {
	s := encryptedStore(t)
	all := make([]*Blob, 3*cipherSlots)
	for i := range all {
		all[i] = s.NewBlob(0)
		_, err := all[i].WriteAt(fmt.Appendf(nil, "file %d", i), 0)
		require.NoError(t, err)
	}
	for range 2 {
		for i, b := range all {
			got := make([]byte, 20)
			n, err := b.ReadAt(got, 0)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("file %d", i), string(got[:n]))
		}
	}
	require.NoError(t, s.Check())
	for _, b := range all {
		b.Free()
	}
	for _, slot := range s.vault.slots {
		assert.Nil(t, slot.key)
	}
}

// More operations than sessions wait for one another and all succeed.
func TestManyOperationsAtOnce(t *testing.T) {
	s := encryptedStore(t)
	b := filled(t, s)
	var wg sync.WaitGroup
	for range 4 * numSessions {
		wg.Go(func() {
			got := make([]byte, len(secretText)-100)
			for range 20 {
				_, err := b.ReadAt(got, 50)
				assert.NoError(t, err)
				assert.True(t, bytes.Equal(secretText[50:len(secretText)-50], got))
			}
		})
	}
	wg.Wait()
}

func TestAccountingOfEncryptedPages(t *testing.T) {
	s := encryptedStore(t)
	b := filled(t, s)
	assert.EqualValues(t, 3*(PageSize+TagBytes)+KeyBytes+leafBytes(3), s.Usage().Used)
	require.NoError(t, b.SetOwner(7))
	assert.Zero(t, s.OwnerUsage(0).Used)
	assert.Equal(t, s.Usage().Used, s.OwnerUsage(7).Used)
	b.Free()
	assert.Zero(t, s.Usage().Used)

	small, err := New(Config{Limit: 10 * PageSize, Encrypt: true})
	require.NoError(t, err)
	defer small.Close()
	b = small.NewBlob(0)
	n, err := b.WriteAt(make([]byte, 20*PageSize), 0)
	require.NoError(t, err)
	assert.Equal(t, 9*PageSize, n, "what it takes beyond contents is counted")
	require.NoError(t, small.Check())
	b.Free()
}

// needSecretMemory skips where the kernel has no memfd_secret(2): it is asked without
// the flags that the store uses.
func needSecretMemory(t *testing.T) {
	t.Helper()
	fd, err := unix.MemfdSecret(0)
	if err != nil {
		t.Skip("memfd_secret:", err)
	}
	require.NoError(t, unix.Close(fd))
}

func TestVaultMemory(t *testing.T) {
	for name, how := range map[string]KeyMemory{"locked": KeysLocked, "secret": KeysSecret, "anywhere": KeysAnywhere} {
		t.Run(name, func(t *testing.T) {
			if how == KeysSecret {
				needSecretMemory(t)
			}
			s, err := New(Config{Limit: 8 << 20, Encrypt: true, Keys: how})
			require.NoError(t, err)
			defer s.Close()
			u := s.Usage()
			assert.True(t, u.Encrypted)
			assert.True(t, u.KeysLocked)
			assert.NotEmpty(t, u.KeyMemory)
			b := filled(t, s)
			got := make([]byte, len(secretText))
			_, err = b.ReadAt(got, 0)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(secretText, got))
		})
	}
}
