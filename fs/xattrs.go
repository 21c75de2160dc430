package fs

import (
	"slices"
	"strings"
)

// xattr is one extended attribute.
type xattr struct {
	name  string
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

func (l *xattrs) drop(name string) {
	if i, ok := l.find(name); ok {
		*l = slices.Delete(*l, i, i+1)
	}
}
