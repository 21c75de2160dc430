package fs

import (
	"regexp"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/policy"
)

const root = fuse.FUSE_ROOT_ID

var assignedForm = regexp.MustCompile(`^[a-z2-7]{26}$`)

func TestCreateAssignsRandomNameAndKeepsAlias(t *testing.T) {
	k := newKernel(t, "tmpdir")
	foo := k.must(k.create(alice, root, "foo"))

	listed := k.names(alice, root)
	require.Len(t, listed, 1)
	assert.Regexp(t, assignedForm, listed[0])
	assert.Equal(t, listed[0], k.assigned(foo))
	for _, name := range []string{"foo", listed[0]} {
		node, errno := k.lookup(alice, root, name)
		assert.Zero(t, errno)
		assert.Equal(t, foo, node)
	}
	assert.EqualValues(t, 1, k.attr(foo).Nlink)
}

func TestNobodyElseSeesAnEntry(t *testing.T) {
	k := newKernel(t, "tmpdir")
	foo := k.must(k.create(alice, root, "foo"))
	assigned := k.assigned(foo)

	for _, name := range []string{"foo", assigned} {
		_, errno := k.lookup(bob, root, name)
		assert.Equal(t, syscall.ENOENT, errno, "lookup")
		assert.Equal(t, syscall.ENOENT, k.unlink(bob, root, name))
		assert.Equal(t, syscall.ENOENT, k.rename(bob, root, name, root, "mine", 0))
	}
	assert.Empty(t, k.names(bob, root))
	_, errno := k.lookup(0, root, "foo")
	assert.Equal(t, syscall.ENOENT, errno, "root has a scope of its own")
}

func TestTwoOwnersUseOneName(t *testing.T) {
	k := newKernel(t, "tmpdir")
	a := k.must(k.create(alice, root, "foo"))
	b := k.must(k.create(bob, root, "foo"))
	assert.NotEqual(t, a, b)

	c := k.must(k.create(bob, root, "other"))
	require.Zero(t, k.rename(bob, root, "other", root, "foo", 0))
	node, _ := k.lookup(bob, root, "foo")
	assert.Equal(t, c, node)
	node, errno := k.lookup(alice, root, "foo")
	assert.Zero(t, errno)
	assert.Equal(t, a, node, "alice's file is untouched by bob's rename over the same name")
}

func TestNameEqualToAnAssignedName(t *testing.T) {
	k := newKernel(t, "tmpdir")
	assigned := k.assigned(k.must(k.create(alice, root, "foo")))

	_, errno := k.create(alice, root, assigned)
	assert.Equal(t, syscall.EEXIST, errno, "for its owner")
	bobs := k.must(k.create(bob, root, assigned))
	node, _ := k.lookup(bob, root, assigned)
	assert.Equal(t, bobs, node, "an ordinary alias for anyone else")
}

func TestUnlinkByEitherNameRemovesBoth(t *testing.T) {
	for _, by := range []string{"alias", "assigned"} {
		t.Run(by, func(t *testing.T) {
			k := newKernel(t, "tmpdir")
			foo := k.must(k.create(alice, root, "foo"))
			assigned := k.assigned(foo)
			used := map[string]string{"alias": "foo", "assigned": assigned}[by]
			require.Zero(t, k.unlink(alice, root, used))
			for _, name := range []string{"foo", assigned} {
				_, errno := k.lookup(alice, root, name)
				assert.Equal(t, syscall.ENOENT, errno)
			}
			assert.EqualValues(t, 0, k.attr(foo).Nlink)
			assert.Empty(t, k.names(alice, root))
		})
	}
}

func TestUnlinkExpiresTheNameTheKernelMayHaveCached(t *testing.T) {
	stop := make(chan struct{})
	close(stop)
	t.Run("by alias, assigned name never looked up", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		k.must(k.create(alice, root, "foo"))
		require.Zero(t, k.unlink(alice, root, "foo"))
		assert.Empty(t, k.f.expiry.queue)
	})
	t.Run("by alias", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		assigned := k.assigned(k.must(k.create(alice, root, "foo")))
		k.must(k.lookup(alice, root, assigned))
		require.Zero(t, k.unlink(alice, root, "foo"))
		assert.Equal(t, []Expired{{Parent: root, Name: assigned}}, k.f.NextExpired(nil))
	})
	t.Run("by assigned name", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		assigned := k.assigned(k.must(k.create(alice, root, "foo")))
		require.Zero(t, k.unlink(alice, root, assigned))
		assert.Equal(t, []Expired{{Parent: root, Name: "foo"}}, k.f.NextExpired(nil))
	})
	t.Run("replaced by a rename", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		assigned := k.assigned(k.must(k.create(alice, root, "foo")))
		k.must(k.lookup(alice, root, assigned))
		k.must(k.create(alice, root, "new"))
		require.Zero(t, k.rename(alice, root, "new", root, "foo", 0))
		assert.Equal(t, []Expired{{Parent: root, Name: assigned}}, k.f.NextExpired(nil))
	})
	t.Run("old alias after a rename by the assigned name", func(t *testing.T) {
		k := newKernel(t, "tmpdir")
		assigned := k.assigned(k.must(k.create(alice, root, "foo")))
		require.Zero(t, k.rename(alice, root, assigned, root, "bar", 0))
		assert.Equal(t, []Expired{{Parent: root, Name: "foo"}}, k.f.NextExpired(nil))
	})
	t.Run("nothing more once stopped", func(t *testing.T) {
		assert.Nil(t, newKernel(t, "tmpdir").f.NextExpired(stop))
	})
}

func TestListingOwnShowsRequestedNames(t *testing.T) {
	k := newKernel(t, "tmpdir", "listing=own")
	k.must(k.create(alice, root, "foo"))
	k.must(k.create(bob, root, "bar"))
	assert.Equal(t, []string{"foo"}, k.names(alice, root))
	assert.Equal(t, []string{"bar"}, k.names(bob, root))
	assert.Empty(t, k.names(0, root))
}

func TestBelowANamingRootNamesStay(t *testing.T) {
	k := newKernel(t, "tmpdir")
	d := k.must(k.mkdir(alice, root, "d"))
	foo := k.must(k.create(alice, d, "foo"))
	assert.Equal(t, []string{"foo"}, k.names(alice, d))
	_, errno := k.getxattr(foo, nameXattr)
	assert.Equal(t, syscall.ENODATA, errno)
}

func TestNamesRule(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		k := newKernel(t, "tmpdir", "names=all")
		d := k.must(k.mkdir(alice, root, "d"))
		k.must(k.create(alice, d, "foo"))
		require.Len(t, k.names(alice, d), 1)
		assert.Regexp(t, assignedForm, k.names(alice, d)[0])
		_, errno := k.lookup(bob, d, "foo")
		assert.Equal(t, syscall.ENOENT, errno)
	})
	t.Run("requested", func(t *testing.T) {
		k := newKernel(t, "tmpdir", "names=requested")
		k.must(k.create(alice, root, "foo"))
		assert.Equal(t, []string{"foo"}, k.names(alice, root))
		_, errno := k.create(bob, root, "foo")
		assert.Equal(t, syscall.EEXIST, errno)
	})
}

func TestSessionScope(t *testing.T) {
	k := newKernel(t, "tmpdir", "scope=session")
	foo := k.must(k.create(alice, root, "foo"))
	k.f.opts.Session = func(uint32) int32 { return 77 }
	_, errno := k.lookup(alice, root, "foo")
	assert.Equal(t, syscall.ENOENT, errno, "another session of the same uid")
	other := k.must(k.create(alice, root, "foo"))
	assert.NotEqual(t, foo, other)
	node, errno := k.lookup(alice, root, k.assigned(foo))
	assert.Zero(t, errno, "a listed name resolves for its owner in every session")
	assert.Equal(t, foo, node)
}

func TestNamingRootEntriesAreNeverCached(t *testing.T) {
	k := newKernel(t, "tmpdir")
	var out fuse.EntryOut
	h := header(alice, root)
	d := k.must(k.mkdir(alice, root, "d"))
	k.hold(&out, k.f.Lookup(nil, &h, "d", &out))
	assert.Zero(t, out.EntryTimeout())
	assert.Equal(t, fuse.ENOENT, k.f.Lookup(nil, &h, "missing", &out))

	h.NodeId = d
	assert.Equal(t, fuse.ENOENT, k.f.Lookup(nil, &h, "missing", &out), "a rename could take what is cached into the root")
	k.f.AllowNameCache(func() {})
	assert.Equal(t, fuse.OK, k.f.Lookup(nil, &h, "missing", &out), "cached as missing")
	assert.Zero(t, out.NodeId)
	assert.Equal(t, forever, out.EntryTimeout())

	h.NodeId = root
	k.hold(&out, k.f.Lookup(nil, &h, "d", &out))
	assert.Zero(t, out.EntryTimeout())
}

// The dentry of what is renamed keeps the timeout that it got in its directory.
func TestRenameIntoANamingRootIsForgotten(t *testing.T) {
	bumps := 0
	k := newKernel(t, "tmpdir")
	k.f.AllowNameCache(func() { bumps++ })
	d := k.must(k.mkdir(alice, root, "d"))
	for _, name := range []string{"x", "y", "z"} {
		k.must(k.create(alice, d, name))
	}
	k.must(k.create(alice, root, "there"))
	steps := []struct {
		from     uint64
		old      string
		to       uint64
		new      string
		flags    uint32
		expected int
	}{
		{d, "x", d, "xx", 0, 0},
		{root, "there", root, "here", 0, 0},
		{d, "xx", root, "in", 0, 1},
		{root, "in", d, "out", 0, 0},
		{d, "y", root, "here", unix.RENAME_EXCHANGE, 1},
		{root, "here", d, "z", unix.RENAME_EXCHANGE, 1},
	}
	for _, s := range steps {
		bumps = 0
		require.Zero(t, k.rename(alice, s.from, s.old, s.to, s.new, s.flags))
		assert.Equal(t, s.expected, bumps, "%s to %s", s.old, s.new)
	}
}

func TestNoNodeidsInAListingOfANamingRoot(t *testing.T) {
	k := newKernel(t, "tmpdir")
	d := k.must(k.mkdir(alice, root, "d"))
	k.must(k.create(alice, d, "below"))
	for _, tc := range []struct {
		dir   uint64
		nodes int
	}{{root, 0}, {d, 1}} {
		list := fuse.NewDirEntryList(make([]byte, 4096), 0)
		in := fuse.ReadIn{InHeader: header(alice, tc.dir)}
		require.Equal(t, fuse.OK, k.f.ReadDirPlus(nil, &in, list))
		_, outs, err := fuse.ParseDirLookupEntries(list.Bytes())
		require.NoError(t, err)
		nodes := 0
		for _, out := range outs {
			if out.NodeId != 0 {
				nodes++
				k.held[out.NodeId]++
			}
		}
		assert.Equal(t, tc.nodes, nodes)
	}
}

func TestStaleNodeid(t *testing.T) {
	k := newKernel(t, "tmpdir")
	_, errno := k.lookup(alice, 4711, "x")
	assert.Equal(t, syscall.ESTALE, errno)
	_, errno = k.create(alice, k.must(k.create(alice, root, "file")), "x")
	assert.Equal(t, syscall.ENOTDIR, errno)
	k.f.Forget(4711, 1)
	k.f.Forget(root, 1<<60)
	assert.EqualValues(t, 2, k.attr(root).Nlink, "the root cannot be forgotten")
}

func TestLookupOfTooLongAName(t *testing.T) {
	k := newKernel(t, policy.Profile("posix"))
	_, errno := k.lookup(alice, root, string(make([]byte, 256)))
	assert.Equal(t, syscall.ENAMETOOLONG, errno)
}

func TestNameCacheOfAPrivateMount(t *testing.T) {
	k := newKernel(t, "tmpdir")
	bumps := 0
	k.f.scoped = false
	k.f.AllowNameCache(func() { bumps++ })

	var out fuse.EntryOut
	h := header(alice, root)
	foo := k.must(k.create(alice, root, "foo"))
	assigned := k.assigned(foo)
	k.hold(&out, k.f.Lookup(nil, &h, "foo", &out))
	assert.Equal(t, forever, out.EntryTimeout())
	k.hold(&out, k.f.Lookup(nil, &h, assigned, &out))
	assert.Zero(t, out.EntryTimeout(), "the alias is the name that is cached")
	assert.Equal(t, fuse.OK, k.f.Lookup(nil, &h, "missing", &out))
	assert.Zero(t, out.NodeId)

	require.Zero(t, k.rename(alice, root, "foo", root, "bar", 0))
	assert.Zero(t, bumps, "the kernel saw what happened to the alias")
	require.Zero(t, k.unlink(alice, root, assigned))
	assert.Equal(t, 1, bumps, "it did not see that the alias went as well")
}
