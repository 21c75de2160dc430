// Package fs is the filesystem: kernel requests come in, policy is asked, the
// tree and the store change, replies go out.
//
// # Purpose
//
// FS implements fuse.RawFileSystem over an inode table of its own. An entry of
// a naming root has two names, one the filesystem assigned and one the program
// asked for, and what a name means depends on who asks; go-fuse's inode tree
// has no place for either, so this package uses the raw protocol.
//
// # Guarantees
//
//   - In a naming root no caller resolves, lists, replaces or removes an entry
//     of another owner by name, and no entry of another owner blocks a name.
//   - A request that is refused leaves no trace: the decision is taken before
//     anything changes.
//   - A file that was unlinked stays readable and writable through descriptors
//     that are open, and its contents are overwritten once the kernel forgets
//     it.
//   - Names, targets and attributes are overwritten in the daemon's memory when
//     their entry or inode goes. They are copied from a request once, to where
//     they stay, and no string outlives its request: see keepName.
//   - What a time to live removes is not open, and cannot be opened any more by a
//     name that the kernel has cached.
//   - Accounting is taken from the store before an entry exists and is given
//     back when it is gone.
//
// # Not guaranteed
//
// Kernel permission checks (default_permissions) decide who may use an inode
// that a caller already reached; this package decides only what a name means
// and what may be stored. Names and attributes lie on the Go heap in clear while
// their entry exists, also where contents are encrypted.
//
// # Lock order
//
//	lives.mu               a request that uses what is there; a removal by a lifetime
//	  FS.renameMu          a rename across directories; a walk towards the root
//	    directory.mu       the parent before its child; two unrelated directories
//	                       only under renameMu, ancestor first
//	      inode.mu         never two at once
//	        table shard    leaf
//	        memstore       leaf
//
// Under the build tag safetmp_lockcheck each acquisition checks this order; see
// lockrank.go.
//
// # Units
//
// Sizes and offsets are bytes, st_blocks are 512-byte units, times are
// nanoseconds since the epoch.
//
// # Errors
//
// Every method returns what toStatus chooses, and nothing else chooses an
// errno: see errno.go.
//
// # Kernel behaviour
//
// OPEN, CREATE and FLUSH answer ENOSYS, so the kernel opens files without asking,
// makes them by MKNOD, and an inode lives for as long as its lookup count is
// positive. Options.AnswerOpens and BypassPageCache have OPEN, CREATE and RELEASE
// answered instead, and so does a store of files: see PassesThrough, by which the
// kernel reads and writes contents by itself. In a naming root
// of a shared mount every entry timeout is zero, hence every path walk asks
// again with the caller's credentials; everywhere else entries, attributes and
// negative entries are cached without limit, since only this kernel changes
// them. After changes for which the kernel drops no earlier answer it is told to
// (see overtake). A dentry that a rename takes into such a root brings its timeout along
// and is expired with the reply; where the kernel cannot do that (before Linux
// 6.16), nothing is cached on a shared mount. Of the two names of an entry the kernel caches the requested one; see
// AllowNameCache for what happens when the entry is removed by the other.
package fs
