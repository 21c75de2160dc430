package fs

import (
	"errors"

	"safetmp/memstore"
)

// Corruption says that stored contents were changed in memory by somebody else,
// and so were not handed out. It carries no name and no content.
type Corruption struct {
	File uint64 // its inode number
	Page int64  // its number in the file; -1 for the file's key
}

// Corruptions returns how many requests met one.
func (f *FS) Corruptions() uint64 { return f.corruptions.Load() }

// noteCorrupt counts and reports err if it is a corruption of ino's contents,
// and returns it.
func (f *FS) noteCorrupt(ino *inode, err error) error {
	if !errors.Is(err, memstore.ErrCorrupt) {
		return err
	}
	f.corruptions.Add(1)
	c := Corruption{File: ino.id, Page: -1}
	var page *memstore.CorruptError
	if errors.As(err, &page) {
		c.Page = page.Page
	}
	if f.opts.Corrupt != nil {
		f.opts.Corrupt(c)
	}
	return err
}
