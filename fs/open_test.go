package fs

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

func (k *kernel) open(node uint64) (uint32, syscall.Errno) {
	in := fuse.OpenIn{InHeader: header(alice, node)}
	var out fuse.OpenOut
	status := k.f.Open(nil, &in, &out)
	return out.OpenFlags, syscall.Errno(status)
}

func (k *kernel) release(node uint64) syscall.Errno {
	in := fuse.ReleaseIn{InHeader: header(alice, node)}
	return syscall.Errno(k.f.Release(nil, &in))
}

// expired is what waits to be told to the kernel.
func (k *kernel) expired() []Expired {
	x := &k.f.expiry
	x.mu.Lock()
	defer x.mu.Unlock()
	batch := x.queue
	x.queue = nil
	return batch
}

func TestOpensAreLeftToTheKernel(t *testing.T) {
	k := newKernel(t, policy.ProfileTmpdir)
	node := k.must(k.create(alice, 1, "f"))
	_, errno := k.open(node)
	assert.Equal(t, syscall.ENOSYS, errno)
	assert.Zero(t, k.release(node), "RELEASE follows a CREATE all the same")
}

func TestAnsweredOpensKeepTheCache(t *testing.T) {
	k := newKernel(t, policy.ProfileTmpdir)
	k.f.answerOpens = true
	node := k.must(k.create(alice, 1, "f"))
	flags, errno := k.open(node)
	require.Zero(t, errno)
	assert.EqualValues(t, fuse.FOPEN_KEEP_CACHE, flags)
	assert.EqualValues(t, 2, k.f.inodes.get(node).opens)
	for range 3 { // one more than there were opens changes nothing
		assert.Zero(t, k.release(node))
	}
	assert.Zero(t, k.f.inodes.get(node).opens)
	_, errno = k.open(1)
	assert.Equal(t, syscall.EISDIR, errno)
	_, errno = k.open(4711)
	assert.Equal(t, syscall.ESTALE, errno)
	assert.Equal(t, syscall.ESTALE, k.release(4711))
}

// What a mapping brought into the page cache of a mount that bypasses it is
// dropped at the last close.
func TestMappedPagesAreDroppedAtTheLastClose(t *testing.T) {
	k := newKernel(t, policy.ProfileTmpdir)
	k.f.BypassPageCache()
	node := k.must(k.create(alice, 1, "f"))
	flags, errno := k.open(node)
	require.Zero(t, errno)
	assert.NotZero(t, flags&fuse.FOPEN_DIRECT_IO)
	_, errno = k.write(node, 0, []byte("contents"))
	require.Zero(t, errno)

	direct := fuse.ReadIn{InHeader: header(alice, node), Size: 8, ReadFlags: fuse.READ_LOCKOWNER}
	_, status := k.f.ReadInto(&direct, make([]byte, 8))
	require.Equal(t, fuse.OK, status)
	require.Zero(t, k.release(node))
	require.Zero(t, k.release(node))
	assert.Empty(t, k.expired(), "nothing passed the page cache")

	for _, touch := range []func(){
		func() { _, errno = k.read(node, 0, 8) },
		func() {
			in := fuse.WriteIn{InHeader: header(alice, node), Size: 1, WriteFlags: fuse.WRITE_CACHE}
			_, status := k.f.Write(nil, &in, []byte("x"))
			errno = syscall.Errno(status)
		},
	} {
		for range 2 {
			_, errno := k.open(node)
			require.Zero(t, errno)
		}
		k.f.inodes.get(node).told = 0 // else what is written back changes what was told
		touch()
		require.Zero(t, errno)
		require.Zero(t, k.release(node))
		assert.Empty(t, k.expired(), "somebody may still have it mapped")
		require.Zero(t, k.release(node))
		assert.Equal(t, []Expired{{Pages: node}}, k.expired())
	}
}
