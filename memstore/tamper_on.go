//go:build safetmp_testhooks

package memstore

import "bytes"

// Tamper does to the stored pages of a blob, tags included, what somebody could who writes to this process's memory: "flip" a bit
// in each, "move" exchanges the first two, "save" remembers them and "replay" puts back what was saved. It exists in builds for
// tests only.
func (b *Blob) Tamper(how string) {
	if b.lock() != nil {
		return
	}
	defer b.unlock()
	pages := b.storedLocked()
	switch how {
	case "flip":
		for i, p := range pages {
			p[i%PageSize] ^= 1 << (i % 8)
		}
	case "move":
		keep := bytes.Clone(pages[0])
		copy(pages[0], pages[1])
		copy(pages[1], keep)
	case "save":
		saved = nil
		for _, p := range pages {
			saved = append(saved, bytes.Clone(p))
		}
	case "replay":
		for i, p := range saved {
			copy(pages[i], p)
		}
	}
}

// saved is what "save" remembers.
var saved [][]byte

// storedLocked returns the bytes of all pages in order.
func (b *Blob) storedLocked() (pages [][]byte) {
	end := pagesFor(b.size.Load())
	for i := int64(0); i < end; {
		refs, next := b.table.segment(i, end)
		for _, r := range refs {
			if r != hole {
				pages = append(pages, b.s.arena.page(r))
			}
		}
		i = next
	}
	return pages
}
