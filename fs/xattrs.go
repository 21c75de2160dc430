package fs

import (
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// xattr is one extended attribute.
type xattr struct {
	name  string // of keepName
	value []byte
}

// xattrs are those of an inode, by name: a sorted list, since most have one or
// two and a map takes as much memory as a file.
type xattrs []xattr

func (l xattrs) find(name string) (int, bool) {
	return slices.BinarySearchFunc(l, name, func(x xattr, name string) int { return strings.Compare(x.name, name) })
}

func (l xattrs) get(name string) ([]byte, bool) {
	i, ok := l.find(name)
	if !ok {
		return nil, false
	}
	return l[i].value, true
}

// add enters an attribute whose name is not in the list.
func (l *xattrs) add(x xattr) {
	i, _ := l.find(x.name)
	*l = slices.Insert(*l, i, x)
}

// take removes an attribute that is in the list.
func (l *xattrs) take(name string) xattr {
	i, _ := l.find(name)
	x := (*l)[i]
	*l = slices.Delete(*l, i, i+1)
	return x
}

// list copies the names to dest, each with a NUL behind it, or says how many
// bytes that takes.
func (l xattrs) list(dest []byte) (uint32, fuse.Status) {
	size := 0
	for _, x := range l {
		size += len(x.name) + 1
	}
	if size > len(dest) {
		return uint32(size), fuse.ERANGE
	}
	at := dest
	for _, x := range l {
		at = at[copy(at, x.name):]
		at[0], at = 0, at[1:]
	}
	return uint32(size), fuse.OK
}

// wipe overwrites an attribute that is in no list any more.
func (x xattr) wipe() {
	wipeName(x.name)
	clear(x.value)
}
