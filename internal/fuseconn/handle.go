package fuseconn

import (
	"runtime/debug"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/fs"
)

// handler carries out one operation: it decodes req, leaves the reply's struct
// and bytes behind the header in out, and returns how many bytes those are.
type handler func(f *fs.FS, req request, out []byte) (int, fuse.Status)

// handlers is the table of operations, by opcode.
var handlers = [opcodes]handler{
	opLookup:      lookup,
	opGetattr:     getattr,
	opSetattr:     setattr,
	opReadlink:    readlink,
	opSymlink:     symlink,
	opMknod:       entry((*fs.FS).Mknod),
	opMkdir:       entry((*fs.FS).Mkdir),
	opLink:        entry((*fs.FS).Link),
	opUnlink:      named((*fs.FS).Unlink),
	opRmdir:       named((*fs.FS).Rmdir),
	opRemovexattr: named((*fs.FS).RemoveXAttr),
	opRename:      rename,
	opRename2:     rename2,
	opOpen:        open,
	opRead:        read,
	opWrite:       write,
	opStatfs:      statfs,
	opRelease:     simple((*fs.FS).Release),
	opReleasedir:  releasedir,
	opDestroy:     nothing,
	opFsync:       simple((*fs.FS).Fsync),
	opFsyncdir:    simple((*fs.FS).FsyncDir),
	opFlush:       simple((*fs.FS).Flush),
	opAccess:      simple((*fs.FS).Access),
	opFallocate:   simple((*fs.FS).Fallocate),
	opSetxattr:    setxattr,
	opGetxattr:    getxattr,
	opListxattr:   listxattr,
	opOpendir:     opendir,
	opReaddir:     listing((*fs.FS).ReadDir),
	opReaddirplus: listing((*fs.FS).ReadDirPlus),
	opCreate:      create,
	opTmpfile:     tmpfile,
	opStatx:       statx,
	opLseek:       lseek,
}

// byDescriptor are the operations on what is open already, which a process may
// have been given by one that could open it.
var byDescriptor = [opcodes]bool{
	opRead: true, opWrite: true, opRelease: true, opReleasedir: true, opFlush: true, opFsync: true, opFsyncdir: true,
	opFallocate: true, opLseek: true, opGetattr: true, opStatx: true, opReaddir: true, opReaddirplus: true, opDestroy: true,
}

// handle carries out the request and returns the reply, nil if there is none.
func (c *Conn) handle(req request, out []byte) (reply []byte) {
	h, _, ok := input[fuse.InHeader](req)
	if !ok {
		c.log.Error("request shorter than its header", "bytes", len(req.head))
		return nil
	}
	op, unique := h.Opcode, h.Unique
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("panic in a request, answered EIO", "opcode", op, "stack", string(debug.Stack()))
			reply = finish(out, unique, 0, fuse.EIO)
		}
	}()
	switch {
	case c.stopping.Load():
		if op == opForget || op == opBatchForget {
			return nil
		}
		return finish(out, unique, 0, fuse.ENODEV)
	case op == opForget:
		forget(c.fs, req)
		return nil
	case op == opBatchForget:
		batchForget(c.fs, req)
		return nil
	case op >= opcodes || handlers[op] == nil:
		return finish(out, unique, 0, fuse.ENOSYS)
	case !byDescriptor[op] && !c.fs.Admits(h.Uid):
		return finish(out, unique, 0, fuse.EACCES)
	}
	n, status := handlers[op](c.fs, req, out)
	return finish(out, unique, n, status)
}
