// Package memstore keeps the contents of files in memory that it maps itself, counts every byte against limits before using
// it, and overwrites what is freed. It knows neither names nor FUSE nor policy. New makes a Store, Store.NewBlob a Blob: the
// contents of one file.
//
// # Guarantees
//
// Limits hold at every moment, not only between operations: data, page tables, metadata and what waits to be overwritten never
// exceed Config.Limit together, nor an owner's part of them Config.OwnerLimit. Running out is an error of the one call that
// would have passed the limit; what is stored stays readable, and freeing makes room. A call that fails leaves no trace.
//
// Contents lie in the arena and nowhere else: not on the Go heap, in no core file, in no forked child. Usage says whether they
// can reach swap. A page that is freed (Free, Truncate, Punch) is overwritten with zeros before anything else happens to it:
// before it is used for another file, counted as free or given back to the kernel. Close overwrites whatever is still mapped.
//
// Reading and writing cost the same at any offset of any file; growing copies nothing; a hole costs nothing. Memory beyond the
// data is below 5% for files of a page and well below 1% for large ones, plus up to Config.IdleSlabs slabs of 2 MiB kept for
// reuse. What is idle beyond those goes back to the kernel within about half a second, and those with GiveBack.
//
// With Config.Encrypt contents lie in the arena encrypted: AES-256-GCM of the standard library for each page, under a random key of
// the blob's own, which is made with its first page and destroyed with its last, before anything is overwritten. The nonce is a
// number that grows with each page that is sealed under the key, so none is used twice; the key's identity and the page's number
// are bound in. The nonce also lies apart from the page, so that a page which is changed, exchanged with another one or put back
// as it was before, its tag included, fails with ErrCorrupt and is never read as something else. Whole pages are decrypted into
// the caller's buffer, parts of pages in a page of locked memory that is overwritten afterwards. Keys are in clear in that memory
// only; elsewhere they are wrapped under a key that is there.
//
// With Config.Files contents lie in files of a tmpfs of the store's own, which is attached nowhere and never swaps, for the kernel
// to read and write them for others: NewFile. The limits hold as above, except that a few pages set aside for metadata cannot be
// taken for contents; what is freed is overwritten as above. Close leaves whoever still has a file open an empty one, to which
// nothing can be added.
//
// # Not guaranteed
//
// What somebody stores through a mapping into a part of a file while that part is cut off may be freed as it is.
//
// An expanded key passes the Go heap in the moment in which it is made, and is overwritten there. The numbers that pages were
// sealed with are no secret and not locked: whoever can write to the swap of a running machine can put back a page and its number.
//
// A page that was partly overwritten or punched keeps no history, but the processor's caches, a hypervisor's snapshot and
// whatever the caller's own buffers held are beyond this package. Memory that a process loses by being killed is freed by the
// kernel, which overwrites it then only with init_on_free=1. Arenas that could not be locked may be swapped out.
//
// Slabs are given back whole. Many small files of which every second one is deleted leave memory resident that only new files
// can use.
//
// # Who holds what
//
// A Store holds every Blob that has pages, until Blob.Free; a Blob that is dropped without Free keeps its pages and its share
// until Close. A Blob's page table holds references to pages; a page belongs to exactly one table, or to one chunk of the
// wiper's queue, or is free. Store.Close ends them all.
//
// # Lock order
//
// Each lock may be taken while holding those above it, never the other way round; builds with -race panic when it is. No
// lock but life and one blob's is held while pages are copied, overwritten or asked of the kernel.
//
//	Store.life     read: every operation; write: Close, Check
//	  Blob.mu      one at a time; read: reading and seeking; write: everything else
//	    liveList.mu
//	    wiper.mu
//	      arena.mu
//	        owners.mu
//	        vault.mu
//	        files.mu
//
// Counters are atomic and need no lock.
//
// # Units
//
// Offsets and sizes of blobs are int64 bytes, from 0 to MaxSize, as off_t. Amounts are Bytes and Pages (4096 bytes, whatever
// the kernel's page size is). Memory comes and goes in slabs of 2 MiB.
//
// # Errors
//
// Every error of an operation matches exactly one of the Err values of this package. A failed call that the caller could not
// have avoided (ErrNoSpace, ErrQuota, ErrNoInodes) allocates nothing. Impossible states, such as a page freed twice, panic with
// a text that begins with the package's name; no input can cause one.
//
// # Kernel behaviour
//
// Linux, 64-bit. A tmpfs of one's own that does not swap takes Linux 6.4 and CAP_SYS_ADMIN in the initial user namespace; its pages
// count for the memory cgroup of whoever writes them first. Address space for the limit is reserved once and inaccessible; a slab becomes writable when memory is put
// behind it with MADV_POPULATE_WRITE (5.14; each page is touched before that) and huge pages where the kernel has them.
// mlock2(2) with MLOCK_ONFAULT locks the range in advance; where RLIMIT_MEMLOCK forbids it, slabs are locked one by one as
// long as that goes. Locked slabs are given back with MADV_DONTNEED_LOCKED (5.18; kept before that).
package memstore
