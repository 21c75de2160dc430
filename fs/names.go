package fs

import "unsafe"

// keepName copies what a request named into memory that only the result refers
// to, so that wipeName can overwrite it. Names are strings because maps are
// searched by them; no other string of this package may be given to wipeName.
func keepName(rawName string) string {
	own := make([]byte, len(rawName))
	copy(own, rawName)
	return ownName(own)
}

// ownName makes a name of memory that nobody else refers to.
func ownName(own []byte) string { return unsafe.String(unsafe.SliceData(own), len(own)) }

// wipeName overwrites a name that keepName or ownName made.
//
// Preconditions: nothing reads the name any more, and no map has it as a key.
func wipeName(name string) { clear(viewName(name)) }

// viewName is the memory of a name, to be read only.
func viewName(name string) []byte { return unsafe.Slice(unsafe.StringData(name), len(name)) }

// sameName says whether two names are the same memory.
func sameName(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }

// wipeNames overwrites the names of an entry that is in no directory, except the
// assigned one if kept, which may be nil, has taken it over.
//
// Preconditions: if e was in a directory, that is locked; nobody finds e by its
// inode any more.
func (e *dentry) wipeNames(kept *dentry) {
	if kept == nil || !sameName(e.name, kept.name) {
		wipeName(e.name)
	}
	if e.alias != nil {
		wipeName(e.alias.requested)
	}
}
