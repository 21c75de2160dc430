package fs

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/memstore"
	"safetmp/policy"
)

// backings plays the kernel's part about files: it opens them anew.
type backings struct {
	t    *testing.T
	next int32
	open map[int32]*os.File
	fail error
}

func (b *backings) OpenBacking(fd int) (int32, error) {
	if b.fail != nil {
		return 0, b.fail
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR, 0)
	require.NoError(b.t, err)
	b.next++
	b.open[b.next] = f
	return b.next, nil
}

func (b *backings) CloseBacking(id int32) {
	require.Contains(b.t, b.open, id)
	require.NoError(b.t, b.open[id].Close())
	delete(b.open, id)
}

func newPassing(t *testing.T, limit memstore.Bytes) (*kernel, *backings) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a tmpfs that does not swap takes root")
	}
	b := &backings{t: t, open: map[int32]*os.File{}}
	t.Cleanup(func() { assert.Empty(t, b.open, "known to the kernel after the end") })
	k := newKernelLimited(t, memstore.Config{Limit: limit, Inodes: 100, Files: true}, policy.ProfilePosix)
	require.True(t, k.f.PassesThrough())
	k.f.PassThrough(b)
	require.NoError(t, k.f.TryPassThrough())
	require.Empty(t, b.open)
	return k, b
}

// Every open of a file, by whatever way it was made, is answered with one id.
func TestOpensPassThrough(t *testing.T) {
	k, b := newPassing(t, 4<<20)
	var made fuse.CreateOut
	in := fuse.CreateIn{InHeader: header(alice, fuse.FUSE_ROOT_ID), Mode: 0600, Flags: syscall.O_RDWR}
	require.Equal(t, fuse.OK, k.f.Create(nil, &in, "a", &made))
	k.held[made.NodeId]++
	assert.EqualValues(t, fuse.FOPEN_PASSTHROUGH, made.OpenFlags)
	assert.Zero(t, made.AttrTimeout(), "it may be mapped")
	node := k.must(k.mknod(alice, fuse.FUSE_ROOT_ID, "b", syscall.S_IFREG|0600))
	for node, id := range map[uint64]int32{made.NodeId: made.BackingID, node: 3} {
		var out fuse.OpenOut
		open := fuse.OpenIn{InHeader: header(alice, node)}
		require.Equal(t, fuse.OK, k.f.Open(nil, &open, &out))
		assert.EqualValues(t, fuse.FOPEN_PASSTHROUGH, out.OpenFlags)
		assert.Equal(t, id, out.BackingID)
	}
	_, err := b.open[made.BackingID].WriteAt([]byte("hello"), 0)
	require.NoError(t, err)
	assert.EqualValues(t, 5, k.attr(made.NodeId).Size)
	got, errno := k.read(made.NodeId, 0, 10)
	assert.Zero(t, errno)
	assert.Equal(t, "hello", string(got))
}

// What cannot be told to the kernel is not made.
func TestNoBacking(t *testing.T) {
	k, b := newPassing(t, 4<<20)
	b.fail = unix.EPERM
	_, errno := k.mknod(alice, fuse.FUSE_ROOT_ID, "a", syscall.S_IFREG|0600)
	assert.Equal(t, syscall.EPERM, errno)
	_, errno = k.tmpfile(alice, fuse.FUSE_ROOT_ID)
	assert.Equal(t, syscall.EPERM, errno)
	b.fail = nil
	k.must(k.mknod(alice, fuse.FUSE_ROOT_ID, "a", syscall.S_IFREG|0600))
	_, errno = k.mknod(alice, fuse.FUSE_ROOT_ID, "a", syscall.S_IFREG|0600)
	assert.Equal(t, syscall.EEXIST, errno)
	assert.Len(t, b.open, 1)
}

// Where room is short, what lost its last name is emptied at once, unless it is open, mapped or has another name.
func TestSpentFilesAreEmptied(t *testing.T) {
	k, b := newPassing(t, 1<<20)
	for name, c := range map[string]struct {
		prepare func(node uint64)
		emptied bool
	}{
		"unused": {func(uint64) {}, true},
		"open": {func(node uint64) {
			open := fuse.OpenIn{InHeader: header(alice, node)}
			require.Equal(t, fuse.OK, k.f.Open(nil, &open, &fuse.OpenOut{}))
		}, false},
		"linked": {func(node uint64) { require.Zero(t, k.link(alice, node, fuse.FUSE_ROOT_ID, "second")) }, false},
	} {
		node := k.must(k.mknod(alice, fuse.FUSE_ROOT_ID, name, syscall.S_IFREG|0600))
		id := b.next
		_, errno := k.write(node, 0, make([]byte, 700<<10))
		require.Zero(t, errno)
		require.NoError(t, b.open[id].Close(), "else it is in use")
		c.prepare(node)
		require.Zero(t, k.unlink(alice, fuse.FUSE_ROOT_ID, name))
		assert.Equal(t, c.emptied, k.attr(node).Size == 0, name)
		open := fuse.OpenIn{InHeader: header(alice, node)}
		status := k.f.Open(nil, &open, &fuse.OpenOut{})
		assert.Equal(t, c.emptied, status == fuse.Status(syscall.ESTALE), name)
		if name == "linked" {
			require.Zero(t, k.unlink(alice, fuse.FUSE_ROOT_ID, "second"))
		}
		b.open[id], _ = os.Open(os.DevNull)
		k.forget(node)
	}
}
