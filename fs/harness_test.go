package fs

import (
	"crypto/rand"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/policy"
)

// Uids of the tests.
const (
	alice = 1000
	bob   = 1001
)

// kernel plays the kernel's part: it sends requests and counts references.
type kernel struct {
	t    *testing.T
	f    *FS
	held map[uint64]uint64 // references by nodeid
}

// newKernel makes a filesystem under a profile and settings of the form
// rule=value. At its end the test checks the filesystem as a whole, closes it,
// and checks that the store counts nothing any more.
func newKernel(t *testing.T, profile policy.Profile, settings ...string) *kernel {
	t.Helper()
	return newKernelLimited(t, memstore.Config{Limit: 64 << 20, Inodes: 1 << 20}, profile, settings...)
}

func newKernelLimited(t *testing.T, limits memstore.Config, profile policy.Profile, settings ...string) *kernel {
	t.Helper()
	return newKernelWith(t, limits, func(*Options) {}, profile, settings...)
}

// newKernelWith is newKernel with limits and with options of its own.
func newKernelWith(t *testing.T, limits memstore.Config, change func(*Options), profile policy.Profile, settings ...string) *kernel {
	t.Helper()
	var layers []policy.Layer
	for _, s := range settings {
		layer, err := policy.ParseSetting("--rule", s)
		require.NoError(t, err)
		layers = append(layers, layer)
	}
	p, err := policy.Build(profile, layers...)
	require.NoError(t, err)
	store, err := memstore.New(limits)
	require.NoError(t, err)
	namer, err := policy.NewNamer(rand.Reader, "")
	require.NoError(t, err)
	options := Options{Policy: p, Store: store, Namer: namer, Shared: true, RootMode: 01777,
		Session: func(pid uint32) int32 { return int32(pid) }}
	change(&options)
	f, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, f.Check())
		f.Close()
		require.Zero(t, store.Usage().Inodes, "inodes in use after the end")
		require.Eventually(t, func() bool { return store.Usage().Used == 0 }, 10*time.Second, time.Millisecond,
			"bytes in use after the end")
		require.NoError(t, store.Check())
		store.Close()
	})
	return &kernel{t: t, f: f, held: map[uint64]uint64{}}
}

func header(uid uint32, nodeid uint64) fuse.InHeader {
	return fuse.InHeader{NodeId: nodeid, Caller: fuse.Caller{Owner: fuse.Owner{Uid: uid, Gid: uid}, Pid: 1}}
}

// hold counts the reference that a reply hands out.
func (k *kernel) hold(out *fuse.EntryOut, status fuse.Status) (uint64, syscall.Errno) {
	if status == fuse.OK && out.NodeId != 0 {
		k.held[out.NodeId]++
	}
	return out.NodeId, syscall.Errno(status)
}

func (k *kernel) lookup(uid uint32, dir uint64, name string) (uint64, syscall.Errno) {
	h := header(uid, dir)
	var out fuse.EntryOut
	id, errno := k.hold(&out, k.f.Lookup(nil, &h, name, &out))
	if errno == 0 && id == 0 {
		return 0, syscall.ENOENT
	}
	return id, errno
}

// create makes a regular file the way that the kernel does it.
func (k *kernel) create(uid uint32, dir uint64, name string) (uint64, syscall.Errno) {
	var out fuse.CreateOut
	in := fuse.CreateIn{InHeader: header(uid, dir), Mode: 0644}
	status := k.f.Create(nil, &in, name, &out)
	if status == fuse.ENOSYS {
		return k.mknod(uid, dir, name, syscall.S_IFREG|0644)
	}
	return k.hold(&out.EntryOut, status)
}

func (k *kernel) mkdir(uid uint32, dir uint64, name string) (uint64, syscall.Errno) {
	var out fuse.EntryOut
	in := fuse.MkdirIn{InHeader: header(uid, dir), Mode: 0755}
	return k.hold(&out, k.f.Mkdir(nil, &in, name, &out))
}

func (k *kernel) mknod(uid uint32, dir uint64, name string, mode uint32) (uint64, syscall.Errno) {
	var out fuse.EntryOut
	in := fuse.MknodIn{InHeader: header(uid, dir), Mode: mode}
	return k.hold(&out, k.f.Mknod(nil, &in, name, &out))
}

func (k *kernel) symlink(uid uint32, dir uint64, target, name string) (uint64, syscall.Errno) {
	h := header(uid, dir)
	var out fuse.EntryOut
	return k.hold(&out, k.f.Symlink(nil, &h, target, name, &out))
}

func (k *kernel) link(uid uint32, node, dir uint64, name string) syscall.Errno {
	var out fuse.EntryOut
	in := fuse.LinkIn{InHeader: header(uid, dir), Oldnodeid: node}
	_, errno := k.hold(&out, k.f.Link(nil, &in, name, &out))
	return errno
}

func (k *kernel) tmpfile(uid uint32, dir uint64) (uint64, syscall.Errno) {
	var out fuse.CreateOut
	in := fuse.CreateIn{InHeader: header(uid, dir), Mode: 0600}
	return k.hold(&out.EntryOut, k.f.Tmpfile(nil, &in, &out))
}

func (k *kernel) unlink(uid uint32, dir uint64, name string) syscall.Errno {
	h := header(uid, dir)
	return syscall.Errno(k.f.Unlink(nil, &h, name))
}

func (k *kernel) rmdir(uid uint32, dir uint64, name string) syscall.Errno {
	h := header(uid, dir)
	return syscall.Errno(k.f.Rmdir(nil, &h, name))
}

func (k *kernel) rename(uid uint32, from uint64, old string, to uint64, name string, flags uint32) syscall.Errno {
	in := fuse.RenameIn{InHeader: header(uid, from), Newdir: to, Flags: flags}
	return syscall.Errno(k.f.Rename(nil, &in, old, name))
}

func (k *kernel) write(node uint64, off uint64, data []byte) (uint32, syscall.Errno) {
	in := fuse.WriteIn{InHeader: header(alice, node), Offset: off, Size: uint32(len(data))}
	n, status := k.f.Write(nil, &in, data)
	return n, syscall.Errno(status)
}

func (k *kernel) read(node uint64, off uint64, size int) ([]byte, syscall.Errno) {
	in := fuse.ReadIn{InHeader: header(alice, node), Offset: off, Size: uint32(size)}
	buf := make([]byte, size)
	n, status := k.f.ReadInto(&in, buf)
	return buf[:n], syscall.Errno(status)
}

func (k *kernel) attr(node uint64) fuse.Attr {
	k.t.Helper()
	var out fuse.AttrOut
	in := fuse.GetAttrIn{InHeader: header(alice, node)}
	require.Equal(k.t, fuse.OK, k.f.GetAttr(nil, &in, &out))
	return out.Attr
}

func (k *kernel) setattr(uid uint32, node uint64, change func(*fuse.SetAttrIn)) syscall.Errno {
	in := fuse.SetAttrIn{}
	in.InHeader = header(uid, node)
	change(&in)
	var out fuse.AttrOut
	return syscall.Errno(k.f.SetAttr(nil, &in, &out))
}

func (k *kernel) getxattr(node uint64, name string) (string, syscall.Errno) {
	h := header(alice, node)
	buf := make([]byte, 1024)
	n, status := k.f.GetXAttr(nil, &h, name, buf)
	if status != fuse.OK {
		return "", syscall.Errno(status)
	}
	return string(buf[:n]), 0
}

func (k *kernel) setxattr(node uint64, name, value string, flags uint32) syscall.Errno {
	in := fuse.SetXAttrIn{InHeader: header(alice, node), Flags: flags}
	return syscall.Errno(k.f.SetXAttr(nil, &in, name, []byte(value)))
}

// assigned is the assigned name of an inode.
func (k *kernel) assigned(node uint64) string {
	k.t.Helper()
	name, errno := k.getxattr(node, nameXattr)
	require.Zero(k.t, errno)
	return name
}

// forget gives back every reference to an inode.
func (k *kernel) forget(node uint64) {
	k.f.Forget(node, k.held[node])
	delete(k.held, node)
}

// list reads a directory from an offset with a buffer of size bytes, once.
func (k *kernel) list(uid uint32, dir, offset uint64, size int) []fuse.DirEntry {
	k.t.Helper()
	list := fuse.NewDirEntryList(make([]byte, size), offset)
	in := fuse.ReadIn{InHeader: header(uid, dir), Offset: offset}
	require.Equal(k.t, fuse.OK, k.f.ReadDir(nil, &in, list))
	entries, err := fuse.ParseDirEntries(list.Bytes())
	require.NoError(k.t, err)
	return entries
}

// names lists a whole directory without "." and "..".
func (k *kernel) names(uid uint32, dir uint64) []string {
	k.t.Helper()
	names := []string{}
	for offset := uint64(0); ; {
		entries := k.list(uid, dir, offset, 4096)
		if len(entries) == 0 {
			return names
		}
		for _, e := range entries {
			if e.Name != "." && e.Name != ".." {
				names = append(names, e.Name)
			}
			offset = e.Off
		}
	}
}

// must fails the test unless a step of its set-up worked.
func (k *kernel) must(node uint64, errno syscall.Errno) uint64 {
	k.t.Helper()
	require.Zero(k.t, errno)
	return node
}

func numbered(prefix string, i int) string { return prefix + strconv.Itoa(i) }
