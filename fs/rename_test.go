package fs

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestRenameMovesTheAliasAndKeepsTheAssignedName(t *testing.T) {
	k := newKernel(t, "tmpdir")
	foo := k.must(k.create(alice, root, "foo"))
	assigned := k.assigned(foo)
	require.Zero(t, k.rename(alice, root, "foo", root, "bar", 0))
	assert.Equal(t, assigned, k.assigned(foo))
	assert.Equal(t, []string{assigned}, k.names(alice, root))
	_, errno := k.lookup(alice, root, "foo")
	assert.Equal(t, syscall.ENOENT, errno)
	node, _ := k.lookup(alice, root, "bar")
	assert.Equal(t, foo, node)
}

func TestRenameReplaces(t *testing.T) {
	k := newKernel(t, "tmpdir")
	oldFile := k.must(k.create(alice, root, "foo"))
	gone := k.assigned(oldFile)
	k.write(oldFile, 0, []byte("old"))
	newFile := k.must(k.create(alice, root, "new"))
	require.Zero(t, k.rename(alice, root, "new", root, "foo", 0))
	_, errno := k.lookup(alice, root, gone)
	assert.Equal(t, syscall.ENOENT, errno, "gone under its assigned name as well")
	node, _ := k.lookup(alice, root, "foo")
	assert.Equal(t, newFile, node)
	data, errno := k.read(oldFile, 0, 10)
	assert.Zero(t, errno)
	assert.Equal(t, "old", string(data), "readable while the kernel holds it")
}

func TestRenameBetweenNamingRootAndPlainDirectory(t *testing.T) {
	k := newKernel(t, "tmpdir")
	d := k.must(k.mkdir(alice, root, "d"))
	foo := k.must(k.create(alice, root, "foo"))
	assigned := k.assigned(foo)

	require.Zero(t, k.rename(alice, root, "foo", d, "in", 0))
	assert.Equal(t, []string{"in"}, k.names(alice, d))
	_, errno := k.getxattr(foo, nameXattr)
	assert.Equal(t, syscall.ENODATA, errno)
	_, errno = k.lookup(alice, root, assigned)
	assert.Equal(t, syscall.ENOENT, errno)

	require.Zero(t, k.rename(alice, d, "in", root, "out", 0))
	assert.Regexp(t, assignedForm, k.assigned(foo))
	assert.NotEqual(t, assigned, k.assigned(foo), "an assigned name never comes back")
	node, _ := k.lookup(alice, root, "out")
	assert.Equal(t, foo, node)
}

func TestRenameErrnos(t *testing.T) {
	k := newKernel(t, "tmpdir")
	top := k.must(k.mkdir(alice, root, "top"))
	d := k.must(k.mkdir(alice, top, "d"))
	sub := k.must(k.mkdir(alice, d, "sub"))
	k.must(k.create(alice, d, "file"))
	k.must(k.mkdir(alice, top, "empty"))
	for _, tc := range []struct {
		name     string
		from     uint64
		old      string
		to       uint64
		new      string
		flags    uint32
		expected syscall.Errno
	}{
		{"missing", top, "nothing", top, "x", 0, syscall.ENOENT},
		{"below itself", top, "d", sub, "x", 0, syscall.EINVAL},
		{"below itself directly", top, "d", d, "x", 0, syscall.EINVAL},
		{"over its ancestor", d, "sub", top, "d", 0, syscall.ENOTEMPTY},
		{"file over directory", d, "file", top, "empty", 0, syscall.EISDIR},
		{"directory over file", top, "empty", d, "file", 0, syscall.ENOTDIR},
		{"directory over a full one", top, "empty", top, "d", 0, syscall.ENOTEMPTY},
		{"noreplace", d, "file", top, "empty", unix.RENAME_NOREPLACE, syscall.EEXIST},
		{"exchange with nothing", d, "file", top, "x", unix.RENAME_EXCHANGE, syscall.ENOENT},
		{"exchange with an ancestor", d, "sub", top, "d", unix.RENAME_EXCHANGE, syscall.EINVAL},
		{"whiteout", d, "file", d, "x", unix.RENAME_WHITEOUT, syscall.EINVAL},
		{"unknown flag", d, "file", d, "x", 1 << 20, syscall.EINVAL},
		{"onto itself", d, "file", d, "file", 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.expected, k.rename(alice, tc.from, tc.old, tc.to, tc.new, tc.flags))
			require.NoError(t, k.f.Check())
		})
	}
	assert.Equal(t, []string{"sub", "file"}, k.names(alice, d), "nothing moved")
}

func TestRenameOfDirectoriesMovesLinkCounts(t *testing.T) {
	k := newKernel(t, "tmpdir")
	a := k.must(k.mkdir(alice, root, "a"))
	b := k.must(k.mkdir(alice, root, "b"))
	k.must(k.mkdir(alice, a, "d"))
	require.Zero(t, k.rename(alice, a, "d", b, "d", 0))
	assert.EqualValues(t, 2, k.attr(a).Nlink)
	assert.EqualValues(t, 3, k.attr(b).Nlink)
	k.must(k.mkdir(alice, a, "d"))
	require.Zero(t, k.rename(alice, a, "d", b, "d", 0))
	assert.EqualValues(t, 3, k.attr(b).Nlink, "one empty directory replaced by another")
}

func TestExchange(t *testing.T) {
	swap := func(t *testing.T, k *kernel, from uint64, old string, to uint64, name string) {
		t.Helper()
		require.Zero(t, k.rename(alice, from, old, to, name, unix.RENAME_EXCHANGE))
		require.NoError(t, k.f.Check())
	}
	t.Run("aliases of one naming root", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		a, b := k.must(k.create(alice, root, "a")), k.must(k.create(alice, root, "b"))
		nameA, nameB := k.assigned(a), k.assigned(b)
		listed := k.names(alice, root)
		swap(t, k, root, "a", root, "b")
		node, _ := k.lookup(alice, root, "a")
		assert.Equal(t, b, node)
		assert.Equal(t, nameA, k.assigned(a))
		assert.Equal(t, nameB, k.assigned(b))
		assert.Equal(t, listed, k.names(alice, root))
	})
	t.Run("assigned names", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		a, b := k.must(k.create(alice, root, "a")), k.must(k.create(alice, root, "b"))
		nameA, nameB := k.assigned(a), k.assigned(b)
		swap(t, k, root, nameA, root, nameB)
		for name, want := range map[string]uint64{nameA: b, "a": b, nameB: a, "b": a} {
			node, errno := k.lookup(alice, root, name)
			assert.Zero(t, errno)
			assert.Equal(t, want, node)
		}
	})
	t.Run("plain directories, file and directory", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		x, y := k.must(k.mkdir(alice, root, "x")), k.must(k.mkdir(alice, root, "y"))
		file, dir := k.must(k.create(alice, x, "f")), k.must(k.mkdir(alice, y, "d"))
		swap(t, k, x, "f", y, "d")
		node, _ := k.lookup(alice, x, "f")
		assert.Equal(t, dir, node)
		node, _ = k.lookup(alice, y, "d")
		assert.Equal(t, file, node)
		assert.EqualValues(t, 3, k.attr(x).Nlink)
		assert.EqualValues(t, 2, k.attr(y).Nlink)
		swap(t, k, y, "d", y, "d")
	})
	t.Run("one plain directory", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		x := k.must(k.mkdir(alice, root, "x"))
		a, b := k.must(k.create(alice, x, "a")), k.must(k.create(alice, x, "b"))
		swap(t, k, x, "a", x, "b")
		node, _ := k.lookup(alice, x, "a")
		assert.Equal(t, b, node)
		node, _ = k.lookup(alice, x, "b")
		assert.Equal(t, a, node)
		assert.Len(t, k.names(alice, x), 2)
	})
	t.Run("naming root and plain directory", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		x := k.must(k.mkdir(alice, root, "x"))
		a, b := k.must(k.create(alice, root, "a")), k.must(k.create(alice, x, "b"))
		was := k.assigned(a)
		swap(t, k, root, "a", x, "b")
		node, _ := k.lookup(alice, root, "a")
		assert.Equal(t, b, node)
		assert.NotEqual(t, was, k.assigned(b))
		node, _ = k.lookup(alice, x, "b")
		assert.Equal(t, a, node)
	})
}
