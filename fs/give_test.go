package fs

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// finds says what a name means to a user, 0 for nothing.
func (k *kernel) finds(uid uint32, name string) uint64 {
	k.t.Helper()
	id, errno := k.lookup(uid, root, name)
	if errno != syscall.ENOENT {
		require.Zero(k.t, errno)
	}
	return id
}

func TestWhoIsGivenAnEntryFindsIt(t *testing.T) {
	k := newKernel(t, "tmpdir")
	app := k.must(k.mkdir(0, root, "app"))
	name := k.assigned(app)
	assert.Zero(t, k.finds(alice, "app"), "not before it is given")
	require.Zero(t, k.setattr(0, app, chownTo(alice)))
	for _, uid := range []uint32{0, alice} {
		assert.Equal(t, app, k.finds(uid, "app"), "uid %d", uid)
		assert.Equal(t, app, k.finds(uid, name), "uid %d", uid)
		assert.Equal(t, []string{name}, k.names(uid, root), "uid %d", uid)
	}
	assert.Zero(t, k.finds(bob, "app"))
	assert.Empty(t, k.names(bob, root))

	require.Zero(t, k.setattr(0, app, chownTo(bob)))
	assert.Zero(t, k.finds(alice, "app"), "given to somebody else since")
	assert.Equal(t, app, k.finds(bob, "app"))
	require.Zero(t, k.setattr(0, app, chownTo(0)))
	assert.Zero(t, k.finds(bob, "app"), "taken back")
	assert.Equal(t, app, k.finds(0, "app"))
}

func TestWhatIsGivenTakesNoNameOfItsNewOwner(t *testing.T) {
	k := newKernel(t, "tmpdir")
	own := k.must(k.create(alice, root, "app"))
	given := k.must(k.create(0, root, "app"))
	require.Zero(t, k.setattr(0, given, chownTo(alice)))
	assert.Equal(t, own, k.finds(alice, "app"), "one's own comes first")
	assert.Equal(t, given, k.finds(alice, k.assigned(given)))
	assert.Len(t, k.names(alice, root), 2)
	assert.Equal(t, given, k.finds(0, "app"))
	require.Zero(t, k.unlink(alice, root, "app"))
	assert.Equal(t, given, k.finds(0, "app"), "root's is another one")
}

func TestGivenEntriesMoveAndGo(t *testing.T) {
	k := newKernel(t, "tmpdir")
	given := k.must(k.create(0, root, "app"))
	require.Zero(t, k.setattr(0, given, chownTo(alice)))
	require.Zero(t, k.rename(0, root, "app", root, "srv", 0))
	assert.Equal(t, given, k.finds(alice, "srv"), "renamed by who gave it")
	assert.Zero(t, k.finds(alice, "app"))
	require.Zero(t, k.rename(alice, root, "srv", root, "mine", 0))
	assert.Equal(t, given, k.finds(alice, "mine"))
	assert.Zero(t, k.finds(0, "mine"), "renamed by its owner, it is the owner's alone")
	require.Zero(t, k.unlink(alice, root, "mine"))

	second := k.must(k.create(0, root, "second"))
	require.Zero(t, k.setattr(0, second, chownTo(alice)))
	_, errno := k.create(alice, root, "second")
	assert.Equal(t, syscall.EEXIST, errno, "the name is taken for the new owner")
	require.Zero(t, k.unlink(0, root, "second"))
	assert.Zero(t, k.finds(alice, "second"))
	assert.Empty(t, k.names(alice, root))
}
