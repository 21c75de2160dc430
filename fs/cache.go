package fs

import "safetmp/policy"

// scoped says whether a name of a naming root means different things to
// different callers, whom only an entry timeout of zero tells apart: the kernel
// asks again for every path walk.
func scoped(shared bool, p *policy.Policy) bool {
	return p.NamingRoot(true) && (shared || p.Scope() != policy.ScopeUID)
}

// AllowNameCache lets the kernel cache more names: those of naming roots where
// there is one scope, those of plain directories where there are several.
// expireAll must make the kernel ask again for every name of the mount, without
// taking a lock (FUSE_NOTIFY_INC_EPOCH, protocol 7.44): it is called within the
// request after which a name that the kernel has cached means something else,
// and the kernel does not know: an entry is removed by its assigned name, or
// comes into a naming root from a plain directory, from where its dentry brings
// the timeout along.
//
// It is to be called before the first request.
func (f *FS) AllowNameCache(expireAll func()) { f.expireAll = expireAll }

// cacheable says whether the kernel may keep what it learns about the requested
// names of a directory.
func (f *FS) cacheable(dir *inode) bool {
	if f.scoped {
		return f.expireAll != nil && !dir.dir.naming
	}
	return f.expireAll != nil || !dir.dir.naming
}

// aliasIsStale makes the kernel ask again for an alias that it may have cached
// as valid, before the request that changed its meaning is answered.
func (f *FS) aliasIsStale() {
	if f.expireAll != nil && !f.scoped {
		f.expireAll()
	}
}

// hideFromOthers makes the kernel ask again for what a rename brought into a
// naming root of several scopes, before the rename is answered: the dentry would
// otherwise show it to every caller.
func (f *FS) hideFromOthers(m *move) {
	enters := m.to.dir.naming && !m.from.dir.naming
	swaps := m.exchange && m.from.dir.naming && !m.to.dir.naming
	if f.expireAll != nil && f.scoped && (enters || swaps) {
		f.expireAll()
	}
}
