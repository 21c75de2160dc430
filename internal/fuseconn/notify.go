package fuseconn

import (
	"runtime"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/fs"
)

// Notification codes (enum fuse_notify_code in include/uapi/linux/fuse.h).
const (
	notifyInvalInode = 2
	notifyInvalEntry = 3
	notifyIncEpoch   = 8
)

// incEpoch makes the kernel ask again for every name of the mount. It takes no
// lock in the kernel, so it may be sent within a request.
func (c *Conn) incEpoch() {
	msg := make([]byte, outHeaderSize)
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{Length: uint32(len(msg)), Status: notifyIncEpoch}
	c.write(msg)
}

// notifyExpired tells the kernel which names and pages to drop from its caches.
// It runs beside the requests: the kernel takes the directory's lock for a name,
// which a request that waits for us may hold, and may write dirty pages first.
func (c *Conn) notifyExpired() {
	runtime.LockOSThread() // for good, as readers
	blockSignals()
	for {
		batch := c.fs.NextExpired(c.quit)
		if batch == nil {
			return
		}
		for _, x := range batch {
			msg := expiredMessage(x)
			c.write(msg)
			clear(msg)
			x.Wipe()
		}
		ScrubThread()
	}
}

func expiredMessage(x fs.Expired) []byte {
	switch {
	case x.Pages != 0:
		return invalInode(x.Pages, 0)
	case x.Attr != 0:
		return invalInode(x.Attr, attrOnly)
	}
	return invalEntry(x.Parent, x.Name)
}

// invalAttr makes the kernel ask again for the attributes of an inode, and drop
// those that it is just about to take from an earlier reply. It waits for no
// request as long as the kernel holds the inode, so it may be sent within one.
func (c *Conn) invalAttr(nodeid uint64) { c.write(invalInode(nodeid, attrOnly)) }

// invalEntry is the message that drops one name; an unknown one is ENOENT,
// which write ignores.
func invalEntry(parent uint64, name string) []byte {
	const fixed = outHeaderSize + int(unsafe.Sizeof(fuse.NotifyInvalEntryOut{}))
	msg := make([]byte, fixed+len(name)+1)
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{Length: uint32(len(msg)), Status: notifyInvalEntry}
	*(*fuse.NotifyInvalEntryOut)(unsafe.Pointer(&msg[outHeaderSize])) = fuse.NotifyInvalEntryOut{
		Parent: parent, NameLen: uint32(len(name)),
	}
	copy(msg[fixed:], name)
	return msg
}

// attrOnly is the offset that leaves pages alone (fuse_reverse_inval_inode).
const attrOnly = -1

// invalInode is the message that drops the attributes of an inode, and its cached
// pages from an offset on; an unknown inode is ENOENT, which write ignores.
func invalInode(nodeid uint64, from int64) []byte {
	const size = outHeaderSize + int(unsafe.Sizeof(fuse.NotifyInvalInodeOut{}))
	msg := make([]byte, size)
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{Length: uint32(size), Status: notifyInvalInode}
	*(*fuse.NotifyInvalInodeOut)(unsafe.Pointer(&msg[outHeaderSize])) = fuse.NotifyInvalInodeOut{Ino: nodeid, Off: from}
	return msg
}
