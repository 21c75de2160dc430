package fuseconn

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
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
	for {
		batch := c.fs.NextExpired(c.quit)
		if batch == nil {
			return
		}
		for _, x := range batch {
			if x.Pages != 0 {
				c.write(invalPages(x.Pages))
				continue
			}
			msg := invalEntry(x.Parent, x.Name)
			c.write(msg)
			clear(msg)
			x.Wipe()
		}
	}
}

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

// invalPages is the message that drops all cached pages of an inode, and its
// attributes; an unknown one is ENOENT, which write ignores.
func invalPages(nodeid uint64) []byte {
	const size = outHeaderSize + int(unsafe.Sizeof(fuse.NotifyInvalInodeOut{}))
	msg := make([]byte, size)
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{Length: uint32(size), Status: notifyInvalInode}
	*(*fuse.NotifyInvalInodeOut)(unsafe.Pointer(&msg[outHeaderSize])) = fuse.NotifyInvalInodeOut{Ino: nodeid}
	return msg
}
