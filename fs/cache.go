package fs

import "safetmp/policy"

// AllowNameCache lets the kernel cache requested names in naming roots as well.
// expireAll must make the kernel ask again for every name of the mount, without
// taking a lock (FUSE_NOTIFY_INC_EPOCH, protocol 7.44): it is called within the
// request that removes an entry by its assigned name, for the alias that the
// kernel may have cached and does not know to be the same entry.
//
// It is to be called before the first request. It has no effect on a shared
// mount, or with the session scope: there only an entry timeout of zero tells
// one caller from another.
func (f *FS) AllowNameCache(expireAll func()) {
	if f.opts.Shared || f.policy.Scope() != policy.ScopeUID {
		return
	}
	f.expireAll = expireAll
}

// cacheable says whether the kernel may keep what it learns about the requested
// names of a directory.
func (f *FS) cacheable(dir *inode) bool { return !dir.dir.naming || f.expireAll != nil }

// aliasIsStale makes the kernel ask again for an alias that it may have cached
// as valid, before the request that changed its meaning is answered.
func (f *FS) aliasIsStale() {
	if f.expireAll != nil {
		f.expireAll()
	}
}
