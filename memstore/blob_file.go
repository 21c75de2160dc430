package memstore

import "golang.org/x/sys/unix"

// NewFile returns an empty blob whose contents will lie in a file, where File gives it to others. Unlike one of NewBlob it takes
// memory, FileCost for the owner, and a descriptor from the beginning. It fails with ErrNoSpace, ErrQuota or ErrNoInodes, and
// with ErrInvalid after Close or without Config.Files.
func (s *Store) NewFile(owner uint32) (*Blob, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if s.files == nil {
		return nil, errNotFile
	}
	o := s.owners.get(owner)
	if err := s.charge(o, FileCost); err != nil {
		return nil, err
	}
	f, err := s.files.tmpfs.newFile()
	if err != nil {
		s.refund(o, FileCost)
		return nil, err
	}
	b := &Blob{s: s, owner: o}
	b.pages.Store(int64(f))
	s.live.add(b)
	return b, nil
}

// File calls use with the descriptor of the file that the contents lie in, open for reading and writing. Whoever duplicates it,
// or opens the file anew, works on the contents without the store's knowledge, also after Free, and should have closed it before:
// Free overwrites and empties the file. ErrInvalid for a blob of NewBlob or after Free or Close; else what use returns.
func (b *Blob) File(use func(fd int) error) error {
	if err := b.rlockFile(); err != nil {
		return err
	}
	defer b.runlock()
	return use(int(b.fileLocked()))
}

// Info returns what the kernel knows of the file: the truth, also where others changed it. Errors as File.
func (b *Blob) Info() (FileInfo, error) {
	if err := b.rlockFile(); err != nil {
		return FileInfo{}, err
	}
	defer b.runlock()
	return b.fileLocked().info()
}

// SetTimes changes the time of the last access and of the last change; Nsec may be UTIME_NOW or UTIME_OMIT (utimensat(2)). The
// kernel keeps both, of all who use the file. Errors as File.
func (b *Blob) SetTimes(atime, mtime unix.Timespec) error {
	if err := b.rlockFile(); err != nil {
		return err
	}
	defer b.runlock()
	return b.fileLocked().setTimes(atime, mtime)
}

// Alone reports whether nobody else has the file open or mapped at this moment. It is false after Free or Close.
func (b *Blob) Alone() bool {
	if b.rlockFile() != nil {
		return false
	}
	defer b.runlock()
	return b.fileLocked().alone()
}

// InFile reports whether the contents lie in a file.
func (b *Blob) InFile() bool { return b.s.files != nil }

// fileLocked returns the file. Preconditions: InFile; mu is held, and the blob is not freed.
func (b *Blob) fileLocked() file { return file(b.pages.Load()) }

// rlockFile is rlock for what only a blob in a file can do.
func (b *Blob) rlockFile() error {
	if !b.InFile() {
		return errNotFile
	}
	return b.rlock()
}

// sizeOfFile and pagesOfFile are Size and Allocated of a blob in a file.
func (b *Blob) sizeOfFile() int64 {
	info, _ := b.Info() // zero after Free
	return info.Size
}

func (b *Blob) pagesOfFile() Pages {
	info, _ := b.Info()
	return info.Allocated
}

// freeFileLocked gives the file up: little is overwritten here and now, much by the wiper. Preconditions: mu is held for writing.
func (b *Blob) freeFileLocked() {
	info, err := b.fileLocked().info()
	if err != nil {
		panic("memstore: a file is lost: " + err.Error())
	}
	b.s.live.remove(b)
	c := chunk{isFile: true, file: b.fileLocked(), owner: b.owner, bytes: FileCost, held: int64(info.Allocated.Bytes())}
	b.owner = nil
	if info.Allocated > syncPages || b.s.files.retired.Load() {
		b.s.wiper.add([]chunk{c})
		return
	}
	b.s.files.discard(c.file)
	b.s.refund(c.owner, c.bytes)
}

// Folder is a descriptor of the folder that files are made in, -1 if there is none: what may be done with it is to be left to a
// process that gives up its privileges. It is valid until Close.
func (s *Store) Folder() int {
	if s.files == nil {
		return -1
	}
	return s.files.tmpfs.root
}

// Tight reports whether more than half of the limit is in use.
func (s *Store) Tight() bool {
	u := s.Usage()
	return u.Used > u.Limit/2
}

// InFiles reports whether the blobs of this store lie in files.
func (s *Store) InFiles() bool { return s.files != nil }
