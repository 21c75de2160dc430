package fs

import (
	"syscall"

	"safetmp/memstore"
)

// contents is what is stored of a regular file, nil while nothing ever was: most
// files of a large tree of empty ones never need a blob.
func (ino *inode) contents() *memstore.Blob { return ino.blob.Load() }

// contentsOf is contents to store something in: ESTALE if the inode was given
// back meanwhile.
//
// Preconditions: ino is a regular file; ino.mu is not held.
func (f *FS) contentsOf(ino *inode) (*memstore.Blob, error) {
	if b := ino.contents(); b != nil {
		return b, nil
	}
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.gone || f.inFiles {
		return nil, syscall.ESTALE
	}
	if ino.contents() == nil {
		ino.blob.Store(f.store.NewBlob(ino.uid))
	}
	return ino.contents(), nil
}
