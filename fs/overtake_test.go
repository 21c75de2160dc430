package fs

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/policy"
)

// overtaking is a filesystem that notes what the kernel is told to ask for again:
// two directories with a file, a link and a directory in each.
type overtaking struct {
	*kernel
	dir, other, file, there uint64
	expired                 []uint64
}

func newOvertaking(t *testing.T) *overtaking {
	k := newKernel(t, policy.ProfilePosix)
	o := &overtaking{kernel: k, dir: k.must(k.mkdir(alice, 1, "dir")), other: k.must(k.mkdir(alice, 1, "other"))}
	o.file, o.there = k.must(k.create(alice, o.dir, "file")), k.must(k.create(alice, o.other, "there"))
	k.must(k.mkdir(alice, o.dir, "empty"))
	require.Zero(t, k.setxattr(o.file, "user.old", "value", 0))
	k.f.OnOvertaken(func(nodeid uint64) { o.expired = append(o.expired, nodeid) })
	return o
}

// tell answers a question of each thread about the attributes of everything.
func (o *overtaking) tell(threads ...uint32) {
	o.t.Helper()
	for _, thread := range threads {
		for _, node := range []uint64{o.dir, o.other, o.file, o.there} {
			in := fuse.GetAttrIn{InHeader: header(alice, node)}
			in.Pid = thread
			require.Equal(o.t, fuse.OK, o.f.GetAttr(nil, &in, new(fuse.AttrOut)))
		}
	}
}

// overtakes are changes by thread 1, as header has it, and what they change.
var overtakes = []struct {
	name    string
	do      func(o *overtaking) syscall.Errno
	changed func(o *overtaking) []uint64
}{
	{"mkdir", func(o *overtaking) syscall.Errno { _, errno := o.mkdir(alice, o.dir, "new"); return errno }, inDir},
	{"mknod", func(o *overtaking) syscall.Errno { _, errno := o.create(alice, o.dir, "new"); return errno }, inDir},
	{"symlink", func(o *overtaking) syscall.Errno { _, errno := o.symlink(alice, o.dir, "target", "new"); return errno }, inDir},
	{"link", func(o *overtaking) syscall.Errno { return o.link(alice, o.file, o.dir, "new") }, inDir},
	{"unlink", func(o *overtaking) syscall.Errno { return o.unlink(alice, o.dir, "file") }, inDir},
	{"rmdir", func(o *overtaking) syscall.Errno { return o.rmdir(alice, o.dir, "empty") }, inDir},
	{"rename", func(o *overtaking) syscall.Errno { return o.rename(alice, o.dir, "file", o.other, "there", 0) },
		func(o *overtaking) []uint64 { return []uint64{o.dir, o.other, o.file} }},
	{"exchange", func(o *overtaking) syscall.Errno {
		return o.rename(alice, o.dir, "file", o.other, "there", unix.RENAME_EXCHANGE)
	}, func(o *overtaking) []uint64 { return []uint64{o.dir, o.other, o.file, o.there} }},
	{"setxattr", func(o *overtaking) syscall.Errno { return o.setxattr(o.file, "user.new", "value", 0) }, ofFile},
	{"removexattr", func(o *overtaking) syscall.Errno {
		h := header(alice, o.file)
		return syscall.Errno(o.f.RemoveXAttr(nil, &h, "user.old"))
	}, ofFile},
	{"fallocate", func(o *overtaking) syscall.Errno {
		return syscall.Errno(o.f.Fallocate(nil, &fuse.FallocateIn{InHeader: header(alice, o.file), Length: 10, Mode: fallocKeepSize}))
	}, ofFile},
}

func inDir(o *overtaking) []uint64  { return []uint64{o.dir} }
func ofFile(o *overtaking) []uint64 { return []uint64{o.file} }

// What other threads were told may arrive after the change: the kernel has to
// drop it. Of what the thread itself was told it already knows.
func TestAnswersToOthersAreOvertaken(t *testing.T) {
	for _, c := range overtakes {
		for _, told := range [][]uint32{{}, {1}, {2}, {2, 1}, {1, 2, 3}, {0}} {
			t.Run(fmt.Sprint(c.name, told), func(t *testing.T) {
				o := newOvertaking(t)
				o.f.inodes.get(o.dir).told = 0 // what making the files told
				o.f.inodes.get(o.file).told = 0
				o.tell(told...)
				require.Zero(t, c.do(o))
				if len(told) == 0 || len(told) == 1 && told[0] == 1 {
					assert.Empty(t, o.expired)
				} else {
					assert.Equal(t, c.changed(o), o.expired)
				}
			})
		}
	}
}

// One notification is enough for all that was told before it.
func TestOvertakenOnce(t *testing.T) {
	o := newOvertaking(t)
	o.tell(2, 3)
	require.Zero(t, o.setxattr(o.file, "user.a", "value", 0))
	require.Zero(t, o.setxattr(o.file, "user.b", "value", 0))
	assert.Equal(t, []uint64{o.file}, o.expired)
	o.tell(2)
	require.Zero(t, o.setxattr(o.file, "user.c", "value", 0))
	assert.Equal(t, []uint64{o.file, o.file}, o.expired)
}

// What statx(2) was told, with the time of birth, is overtaken as well.
func TestStatxIsOvertaken(t *testing.T) {
	o := newOvertaking(t)
	in := fuse.StatxIn{InHeader: header(alice, o.file)}
	in.Pid = 2
	require.Equal(t, fuse.OK, o.f.Statx(nil, &in, new(fuse.StatxOut)))
	require.Zero(t, o.setxattr(o.file, "user.a", "value", 0))
	assert.Equal(t, []uint64{o.file}, o.expired)
}

// What is refused changes nothing, and tells nothing.
func TestRefusedOvertakesNothing(t *testing.T) {
	o := newOvertaking(t)
	o.tell(2)
	assert.Equal(t, unix.ENODATA, o.setxattr(o.file, "user.a", "value", unix.XATTR_REPLACE))
	assert.Equal(t, unix.ENOENT, o.unlink(alice, o.dir, "nothing"))
	assert.Equal(t, unix.ENOENT, o.rename(alice, o.dir, "nothing", o.other, "there", 0))
	assert.Empty(t, o.expired)
}

// Pages that the kernel writes back are told of outside of the request.
func TestPagesWrittenBackOvertake(t *testing.T) {
	o := newOvertaking(t)
	o.tell(2)
	in := fuse.WriteIn{InHeader: header(alice, o.file), Size: 1, WriteFlags: fuse.WRITE_CACHE}
	_, status := o.f.Write(nil, &in, []byte("x"))
	require.Equal(t, fuse.OK, status)
	assert.Empty(t, o.expired)
	assert.Equal(t, []Expired{{Attr: o.file}}, o.f.NextExpired(nil))
}
