package fuseconn

import (
	"encoding/binary"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/fs"
)

// forever is passed where go-fuse's interface wants a channel that tells of an
// interrupt; none ever comes.
var forever chan struct{}

// nothing answers success to what needs no work.
func nothing(*fs.FS, request, []byte) (int, fuse.Status) { return 0, fuse.OK }

// simple is the shape of operations with a struct in and nothing out.
func simple[T any](do func(*fs.FS, <-chan struct{}, *T) fuse.Status) handler {
	return func(f *fs.FS, req request, _ []byte) (int, fuse.Status) {
		in, _, ok := input[T](req)
		if !ok {
			return 0, fuse.EINVAL
		}
		return 0, do(f, forever, in)
	}
}

// named is the shape of operations on a name in a directory with nothing out.
func named(do func(*fs.FS, <-chan struct{}, *fuse.InHeader, string) fuse.Status) handler {
	return func(f *fs.FS, req request, _ []byte) (int, fuse.Status) {
		in, rest, ok := input[fuse.InHeader](req)
		s, _, terminated := name(rest)
		if !ok || !terminated {
			return 0, fuse.EINVAL
		}
		return 0, do(f, forever, in, s)
	}
}

// entry is the shape of operations that make an entry.
func entry[T any](do func(*fs.FS, <-chan struct{}, *T, string, *fuse.EntryOut) fuse.Status) handler {
	return func(f *fs.FS, req request, out []byte) (int, fuse.Status) {
		in, rest, ok := input[T](req)
		s, _, terminated := name(rest)
		if !ok || !terminated {
			return 0, fuse.EINVAL
		}
		return answer(req, out, func(reply *fuse.EntryOut) fuse.Status { return do(f, forever, in, s, reply) })
	}
}

func lookup(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, rest, ok := input[fuse.InHeader](req)
	s, _, terminated := name(rest)
	if !ok || !terminated {
		return 0, fuse.EINVAL
	}
	return answer(req, out, func(reply *fuse.EntryOut) fuse.Status { return f.Lookup(forever, in, s, reply) })
}

func forget(f *fs.FS, req request) {
	if in, _, ok := input[fuse.ForgetIn](req); ok {
		f.Forget(in.NodeId, in.Nlookup)
	}
}

// batchForget reads a count and as many pairs of nodeid and number of lookups.
func batchForget(f *fs.FS, req request) {
	_, rest, ok := input[fuse.InHeader](req)
	if !ok || len(rest) < 8 {
		return
	}
	const pair = 16
	count := uint64(binary.NativeEndian.Uint32(rest))
	rest = rest[8:]
	for i := uint64(0); i < count && len(rest) >= pair; i++ {
		f.Forget(binary.NativeEndian.Uint64(rest), binary.NativeEndian.Uint64(rest[8:]))
		rest = rest[pair:]
	}
}

func getattr(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.GetAttrIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.AttrOut](), f.GetAttr(forever, in, output[fuse.AttrOut](out))
}

func statx(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.StatxIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.StatxOut](), f.Statx(forever, in, output[fuse.StatxOut](out))
}

func setattr(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.SetAttrIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.AttrOut](), f.SetAttr(forever, in, output[fuse.AttrOut](out))
}

func readlink(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.InHeader](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	target, status := f.Readlink(forever, in)
	return copy(out[outHeaderSize:], target), status
}

func symlink(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, rest, ok := input[fuse.InHeader](req)
	link, rest, terminated := name(rest)
	target, _, both := name(rest)
	if !ok || !terminated || !both {
		return 0, fuse.EINVAL
	}
	return answer(req, out, func(reply *fuse.EntryOut) fuse.Status { return f.Symlink(forever, in, target, link, reply) })
}

// renameIn is what RENAME sends; RENAME2 adds the flags.
type renameIn struct {
	fuse.InHeader
	newdir uint64
}

func rename(f *fs.FS, req request, _ []byte) (int, fuse.Status) {
	in, rest, ok := input[renameIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return renameNames(f, &fuse.RenameIn{InHeader: in.InHeader, Newdir: in.newdir}, rest)
}

func rename2(f *fs.FS, req request, _ []byte) (int, fuse.Status) {
	in, rest, ok := input[fuse.RenameIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return renameNames(f, in, rest)
}

func renameNames(f *fs.FS, in *fuse.RenameIn, names []byte) (int, fuse.Status) {
	from, rest, ok := name(names)
	to, _, both := name(rest)
	if !ok || !both {
		return 0, fuse.EINVAL
	}
	return 0, f.Rename(forever, in, from, to)
}

func open(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.OpenIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.OpenOut](), f.Open(forever, in, output[fuse.OpenOut](out))
}

func opendir(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.OpenIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.OpenOut](), f.OpenDir(forever, in, output[fuse.OpenOut](out))
}

func releasedir(f *fs.FS, req request, _ []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.ReleaseIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	f.ReleaseDir(in)
	return 0, fuse.OK
}

func read(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.ReadIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return f.ReadInto(in, payload(out, in.Size))
}

func write(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, data, ok := input[fuse.WriteIn](req)
	if !ok || uint64(in.Size) > uint64(len(data)) {
		return 0, fuse.EINVAL
	}
	n, status := f.Write(forever, in, data[:in.Size])
	output[fuse.WriteOut](out).Size = n
	return sizeOf[fuse.WriteOut](), status
}

func statfs(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.InHeader](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.StatfsOut](), f.StatFs(forever, in, output[fuse.StatfsOut](out))
}

func create(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, rest, ok := input[fuse.CreateIn](req)
	s, _, terminated := name(rest)
	if !ok || !terminated {
		return 0, fuse.EINVAL
	}
	return answer(req, out, func(reply *fuse.CreateOut) fuse.Status { return f.Create(forever, in, s, reply) })
}

func tmpfile(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.CreateIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.CreateOut](), f.Tmpfile(forever, in, output[fuse.CreateOut](out))
}

func lseek(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.LseekIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	return sizeOf[fuse.LseekOut](), f.Lseek(forever, in, output[fuse.LseekOut](out))
}

// listing is the shape of READDIR and READDIRPLUS.
func listing(do func(*fs.FS, <-chan struct{}, *fuse.ReadIn, *fuse.DirEntryList) fuse.Status) handler {
	return func(f *fs.FS, req request, out []byte) (int, fuse.Status) {
		in, _, ok := input[fuse.ReadIn](req)
		if !ok {
			return 0, fuse.EINVAL
		}
		list := fuse.NewDirEntryList(payload(out, in.Size), in.Offset)
		status := do(f, forever, in, list)
		return len(list.Bytes()), status
	}
}

// setxattrIn is what SETXATTR sends without FUSE_SETXATTR_EXT.
type setxattrIn struct {
	fuse.InHeader
	size, flags uint32
}

func setxattr(f *fs.FS, req request, _ []byte) (int, fuse.Status) {
	in, rest, ok := input[setxattrIn](req)
	attr, value, terminated := name(rest)
	if !ok || !terminated || uint64(in.size) > uint64(len(value)) {
		return 0, fuse.EINVAL
	}
	args := fuse.SetXAttrIn{InHeader: in.InHeader, Size: in.size, Flags: in.flags}
	return 0, f.SetXAttr(forever, &args, attr, value[:in.size])
}

func getxattr(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, rest, ok := input[fuse.GetXAttrIn](req)
	attr, _, terminated := name(rest)
	if !ok || !terminated {
		return 0, fuse.EINVAL
	}
	n, status := f.GetXAttr(forever, &in.InHeader, attr, payload(out, in.Size)) // may take the place of the name at last
	return giveXattr(out, in.Size, n, status)
}

func listxattr(f *fs.FS, req request, out []byte) (int, fuse.Status) {
	in, _, ok := input[fuse.GetXAttrIn](req)
	if !ok {
		return 0, fuse.EINVAL
	}
	n, status := f.ListXAttr(forever, &in.InHeader, payload(out, in.Size))
	return giveXattr(out, in.Size, n, status)
}

// giveXattr finishes a reply about an attribute: its bytes, or its length where
// the program asked with an empty buffer.
func giveXattr(out []byte, asked, n uint32, status fuse.Status) (int, fuse.Status) {
	if asked > 0 {
		return int(n), status
	}
	if status != fuse.OK && status != fuse.ERANGE {
		return 0, status
	}
	*output[fuse.GetXAttrOut](out) = fuse.GetXAttrOut{Size: n}
	return int(unsafe.Sizeof(fuse.GetXAttrOut{})), fuse.OK
}
