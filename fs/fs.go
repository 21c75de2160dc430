package fs

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/memstore"
	"safetmp/policy"
)

// Options is what a filesystem is made of. Policy, Store and Namer are
// required.
type Options struct {
	Policy *policy.Policy
	Store  *memstore.Store
	Namer  *policy.Namer

	// Shared says that several uids use the mount (allow_other): who may
	// chown, and what the kernel may cache of names.
	Shared bool

	// RootToo says that of all uids only the owner and root may use the
	// mount, which the kernel lets all in to.
	RootToo bool

	// OwnerUID and OwnerGID own the mount root, which carries the
	// permission bits RootMode.
	OwnerUID, OwnerGID uint32
	RootMode           uint32

	// Report is called for every refusal and, when the policy only warns,
	// for every would-be refusal. It must not block. Nil drops them.
	Report func(Refusal)

	// Corrupt is called for every request that met contents which fail
	// authentication. It must not block. Nil drops them.
	Corrupt func(Corruption)

	// Command names the program of a process, for File.Command and
	// Refusal.Command. Nil leaves both empty.
	Command func(pid uint32) string

	// AnswerOpens makes the kernel tell of every open and last close of a
	// regular file, which costs a round trip each. Without it the kernel
	// opens files by itself.
	AnswerOpens bool

	// Lifetimes are the rules by which entries go by themselves.
	Lifetimes Lifetimes

	// Session maps a process to its POSIX session; it is called only with
	// the session scope. Nil means getsid(2).
	Session func(pid uint32) int32

	// Now is the clock, time.Now if nil.
	Now func() time.Time
}

// FS is one mounted filesystem. Its exported methods may be called
// concurrently.
type FS struct {
	fuse.RawFileSystem // answers ENOSYS to what is not overridden

	opts    Options
	policy  *policy.Policy
	store   *memstore.Store
	root    *inode
	inodes  table
	started time.Time

	nextIno atomic.Uint64

	// streams holds a *stream for each open directory, by file handle.
	streams    sync.Map
	nextStream atomic.Uint64

	// renameMu fixes the shape of the tree: held for writing by renames
	// across directories, for reading by walks from a directory to the root.
	renameMu rankedRWMutex

	// expireAll is nil where the kernel cannot be told to ask again for every
	// name; it is set before the first request.
	expireAll func()

	// expireAttr makes the kernel ask again for attributes; it is set before
	// the first request, or nil.
	expireAttr func(nodeid uint64)

	scoped bool // immutable; see scoped

	// answerOpens and openFlags, the FOPEN_ flags of every opened file, are
	// set before the first request.
	answerOpens bool
	openFlags   uint32

	// inFiles is immutable: the store keeps contents in files. backing, which
	// the kernel knows them by, is set before the first request.
	inFiles bool
	backing Backing

	// lives is nil without lifetimes.
	lives *lives

	// pause is how a request waits; it is set before the first one.
	pause func(time.Duration) bool

	// orphans counts inodes without a link that the kernel still holds.
	orphans atomic.Int64

	corruptions atomic.Uint64

	refusals refusals
	expiry   expiry
	closed   sync.Once
}

// New makes an empty filesystem.
func New(o Options) (*FS, error) {
	if o.Policy == nil || o.Store == nil || o.Namer == nil {
		return nil, errors.New("fs: policy, store and namer are required")
	}
	if (o.Lifetimes.TTL > 0 || o.Lifetimes.OwnerExit) && o.Lifetimes.Sessions == nil {
		return nil, errors.New("fs: these lifetimes need sessions")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Session == nil {
		o.Session = sessionOf
	}
	if o.Command == nil {
		o.Command = func(uint32) string { return "" }
	}
	f := &FS{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		opts:          o,
		policy:        o.Policy,
		scoped:        scoped(o.Shared, o.Policy),
		store:         o.Store,
		started:       o.Now(),
		pause:         sleep,
		answerOpens:   o.AnswerOpens || o.Lifetimes.watchOpens(),
		lives:         newLives(o.Lifetimes),
		openFlags:     fuse.FOPEN_KEEP_CACHE, // only this kernel changes contents
	}
	f.inFiles = o.Store.InFiles()
	f.answerOpens = f.answerOpens || f.inFiles
	f.renameMu.setRank(rankRename)
	f.expiry.init()
	f.inodes.init()
	if err := f.makeRoot(); err != nil {
		return nil, fmt.Errorf("fs: mount root: %w", err)
	}
	return f, nil
}

// makeRoot creates the mount root, whose lookup count the kernel never gives
// back.
func (f *FS) makeRoot() error {
	if err := f.reserve(f.opts.OwnerUID, inodeBytes+directoryBytes); err != nil {
		return err
	}
	f.nextIno.Store(fuse.FUSE_ROOT_ID)
	root := f.newInode(fuse.FUSE_ROOT_ID, syscall.S_IFDIR|f.opts.RootMode&07777, f.opts.OwnerUID, f.opts.OwnerGID)
	root.dir = newDirectory(f.policy.NamingRoot(true))
	root.nlink = 2
	root.lookups = 1
	f.root = root
	f.inodes.put(root)
	return nil
}

// String names the filesystem for logs.
func (f *FS) String() string { return "safetmp" }

// Close gives every inode back to the store: contents and names are overwritten, and the
// store's accounting returns to zero. No request may be under way or follow.
func (f *FS) Close() {
	f.closed.Do(func() {
		f.expiry.close()
		f.store.Retire()
		f.disposeTree(f.root)
		for _, ino := range f.inodes.snapshot() { // what lost its last link
			f.disposeTree(ino)
		}
	})
}

// disposeTree gives back an inode and all that is below it.
func (f *FS) disposeTree(top *inode) {
	pending := []*inode{top}
	for len(pending) > 0 {
		ino := pending[len(pending)-1]
		pending = append(pending[:len(pending)-1], f.disposeOne(ino)...)
	}
}

// disposeOne gives back an inode and, if it is a directory, its names and the
// files in it, and returns its subdirectories. It does nothing the second time.
func (f *FS) disposeOne(ino *inode) (below []*inode) {
	if ino.gone || ino.dir == nil {
		f.dispose(ino)
		return nil
	}
	for _, e := range ino.dir.snapshot() {
		f.store.ReleaseMeta(e.payer, e.cost())
		e.wipeNames(nil)
		if e.ino.isDir() {
			below = append(below, e.ino)
		} else {
			f.dispose(e.ino)
		}
	}
	f.dispose(ino)
	return below
}

// now is the time a change is stamped with.
func (f *FS) now() int64 { return f.opts.Now().UnixNano() }
