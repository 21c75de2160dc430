package fs

import (
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/memstore"
	"safetmp/policy"
)

func TestModesAreMasked(t *testing.T) {
	k := newKernel(t, "tmpdir")
	file := k.must(k.mknod(alice, root, "file", syscall.S_IFREG|07777))
	assert.EqualValues(t, syscall.S_IFREG|0700, k.attr(file).Mode)
	dir := k.must(k.mkdir(alice, root, "dir"))
	assert.EqualValues(t, syscall.S_IFDIR|0700, k.attr(dir).Mode)
	require.Zero(t, k.setattr(alice, file, func(in *fuse.SetAttrIn) { in.Valid, in.Mode = fuse.FATTR_MODE, 06777 }))
	assert.EqualValues(t, syscall.S_IFREG|0700, k.attr(file).Mode)
	assert.NotZero(t, k.f.Counters().Changed[policy.RuleModes]+k.f.Counters().Changed[policy.RuleSetID])
}

func TestStrictRefusesWideModesAndChangesNothing(t *testing.T) {
	k := newKernel(t, "strict")
	file := k.must(k.create(alice, root, "file"))
	before := k.attr(file)
	errno := k.setattr(alice, file, func(in *fuse.SetAttrIn) {
		in.Valid, in.Mode, in.Size = fuse.FATTR_MODE|fuse.FATTR_SIZE, 0644, 100
	})
	assert.Equal(t, syscall.EPERM, errno)
	assert.Equal(t, before, k.attr(file), "the part that was allowed is not done either")
	assert.EqualValues(t, 1, k.f.Counters().Refused[policy.RuleModes])
}

func TestRefusalsLeaveNoTrace(t *testing.T) {
	var seen []Refusal
	k := newKernel(t, "tmpdir")
	k.f.opts.Report = func(r Refusal) { seen = append(seen, r) }
	d := k.must(k.mkdir(alice, root, "d"))
	foreign := k.must(k.create(bob, root, "f"))
	before := k.f.store.Usage()

	for name, do := range map[string]func() syscall.Errno{
		"symlink":      func() syscall.Errno { _, e := k.symlink(alice, d, "target", "ln"); return e },
		"char device":  func() syscall.Errno { _, e := k.mknod(alice, d, "dev", syscall.S_IFCHR|0600); return e },
		"block device": func() syscall.Errno { _, e := k.mknod(alice, d, "dev", syscall.S_IFBLK|0600); return e },
		"foreign link": func() syscall.Errno { return k.link(alice, foreign, d, "ln") },
		"chgrp": func() syscall.Errno {
			return k.setattr(alice, d, func(in *fuse.SetAttrIn) { in.Valid, in.Gid = fuse.FATTR_GID, bob })
		},
	} {
		seen = nil
		assert.Equal(t, syscall.EPERM, do(), name)
		if assert.Len(t, seen, 1, name) {
			assert.Equal(t, syscall.EPERM, seen[0].Errno)
			assert.EqualValues(t, alice, seen[0].UID)
		}
	}
	assert.Empty(t, k.names(alice, d))
	assert.Equal(t, before, k.f.store.Usage())
}

func chownTo(uid uint32) func(*fuse.SetAttrIn) {
	return func(in *fuse.SetAttrIn) { in.Valid, in.Uid = fuse.FATTR_UID, uid }
}

func TestWarnLetsThroughAndCounts(t *testing.T) {
	k := newKernel(t, "tmpdir", "enforce=warn")
	_, errno := k.symlink(alice, root, "/etc/passwd", "ln")
	assert.Zero(t, errno)
	assert.EqualValues(t, 1, k.f.Counters().Warned[policy.RuleSymlinks])
	assert.Zero(t, k.f.Counters().Refused[policy.RuleSymlinks])
}

func TestHardLinks(t *testing.T) {
	k := newKernel(t, "tmpdir")
	a := k.must(k.create(alice, root, "a"))
	require.Zero(t, k.link(alice, a, root, "b"))
	assert.EqualValues(t, 2, k.attr(a).Nlink)
	assert.Len(t, k.names(alice, root), 2)
	assert.Equal(t, syscall.EEXIST, k.link(alice, a, root, "b"))
	require.NoError(t, k.f.Check())
	require.Zero(t, k.unlink(alice, root, "a"))
	assert.EqualValues(t, 1, k.attr(a).Nlink)
	assert.Regexp(t, assignedForm, k.assigned(a), "the remaining link still has a name to report")
	d := k.must(k.mkdir(alice, root, "d"))
	assert.Equal(t, syscall.EPERM, k.link(alice, d, root, "dd"))
}

func TestTmpfile(t *testing.T) {
	k := newKernel(t, "tmpdir")
	node := k.must(k.tmpfile(alice, root))
	assert.Zero(t, k.attr(node).Nlink)
	assert.Empty(t, k.names(alice, root))
	require.Zero(t, k.link(alice, node, root, "named"))
	assert.EqualValues(t, 1, k.attr(node).Nlink)
	k.forget(node)
	found := k.must(k.lookup(alice, root, "named"))
	assert.Equal(t, node, found)

	lost := k.must(k.tmpfile(alice, root))
	k.write(lost, 0, make([]byte, 10000))
	k.forget(lost)
	assert.Zero(t, k.f.orphans.Load())
}

func TestUnlinkedFileLivesUntilForgotten(t *testing.T) {
	k := newKernel(t, "tmpdir")
	foo := k.must(k.create(alice, root, "foo"))
	n, errno := k.write(foo, 0, []byte("still here"))
	require.Zero(t, errno)
	require.EqualValues(t, 10, n)
	require.Zero(t, k.unlink(alice, root, "foo"))
	data, errno := k.read(foo, 0, 100)
	assert.Zero(t, errno)
	assert.Equal(t, "still here", string(data))
	used := k.f.store.Usage().Used
	k.forget(foo)
	assert.Less(t, k.f.store.Usage().Used, used)
	_, errno = k.read(foo, 0, 100)
	assert.Equal(t, syscall.ESTALE, errno)
}

func TestRmdir(t *testing.T) {
	k := newKernel(t, "tmpdir")
	d := k.must(k.mkdir(alice, root, "d"))
	k.must(k.create(alice, d, "f"))
	assert.EqualValues(t, 3, k.attr(root).Nlink)
	assert.Equal(t, syscall.ENOTEMPTY, k.rmdir(alice, root, "d"))
	assert.Equal(t, syscall.EISDIR, k.unlink(alice, root, "d"))
	assert.Equal(t, syscall.ENOTDIR, k.rmdir(alice, d, "f"))
	require.Zero(t, k.unlink(alice, d, "f"))
	require.Zero(t, k.rmdir(alice, root, "d"))
	assert.EqualValues(t, 2, k.attr(root).Nlink)
	assert.Zero(t, k.attr(d).Nlink)
	_, errno := k.create(alice, d, "late")
	assert.Equal(t, syscall.ENOENT, errno, "nothing can be made in a removed directory")
	assert.Empty(t, k.list(alice, d, 2, 4096))
}

func TestReaddirOffsetsSurviveChanges(t *testing.T) {
	k := newKernel(t, "tmpdir")
	d := k.must(k.mkdir(alice, root, "d"))
	const n = 500
	for i := range n {
		k.must(k.create(alice, d, numbered("stay", i)))
		k.must(k.create(alice, d, numbered("go", i)))
	}
	seen := map[string]int{}
	offset, removed := uint64(0), 0
	for {
		batch := k.list(alice, d, offset, 1024)
		if len(batch) == 0 {
			break
		}
		for _, e := range batch {
			seen[e.Name]++
			offset = e.Off
		}
		for range 30 {
			if removed < n {
				require.Zero(t, k.unlink(alice, d, numbered("go", removed)))
				removed++
			}
		}
		if removed < n {
			k.must(k.create(alice, d, numbered("new", len(seen))))
		}
		if len(seen) > 5*n {
			t.Fatal("the listing never ends")
		}
	}
	require.Equal(t, n, removed, "entries went away while the directory was read")
	for i := range n {
		assert.Equal(t, 1, seen[numbered("stay", i)])
	}
}

func TestListingEndsWhereTheDirectoryEndedWhenItWasOpened(t *testing.T) {
	k := newKernel(t, "tmpdir")
	d := k.must(k.mkdir(alice, root, "d"))
	for i := range 100 {
		k.must(k.create(alice, d, numbered("f", i)))
	}
	var opened fuse.OpenOut
	require.Equal(t, fuse.OK, k.f.OpenDir(nil, &fuse.OpenIn{InHeader: header(alice, d)}, &opened))
	read := func(offset uint64) []fuse.DirEntry {
		list := fuse.NewDirEntryList(make([]byte, 512), offset)
		in := fuse.ReadIn{InHeader: header(alice, d), Offset: offset, Fh: opened.Fh}
		require.Equal(t, fuse.OK, k.f.ReadDir(nil, &in, list))
		entries, err := fuse.ParseDirEntries(list.Bytes())
		require.NoError(t, err)
		return entries
	}
	count, offset := 0, uint64(0)
	for batch := read(0); len(batch) > 0; batch = read(offset) {
		count += len(batch)
		offset = batch[len(batch)-1].Off
		k.must(k.create(alice, d, numbered("new", count)))
		require.Less(t, count, 1000)
	}
	assert.Equal(t, 102, count, "with . and .., without what came later")

	count = 0
	for batch := read(0); len(batch) > 0; batch = read(offset) {
		count += len(batch)
		offset = batch[len(batch)-1].Off
	}
	assert.Greater(t, count, 102, "rewound, it shows what is there now")
	k.f.ReleaseDir(&fuse.ReleaseIn{Fh: opened.Fh})
	_, open := k.f.streams.Load(opened.Fh)
	assert.False(t, open)
}

func TestXattrs(t *testing.T) {
	k := newKernel(t, "tmpdir")
	f := k.must(k.create(alice, root, "f"))
	require.Zero(t, k.setxattr(f, "user.a", "one", unix.XATTR_CREATE))
	assert.Equal(t, syscall.EEXIST, k.setxattr(f, "user.a", "two", unix.XATTR_CREATE))
	assert.Equal(t, syscall.ENODATA, k.setxattr(f, "user.b", "two", unix.XATTR_REPLACE))
	value, errno := k.getxattr(f, "user.a")
	assert.Zero(t, errno)
	assert.Equal(t, "one", value)
	for _, name := range []string{"security.capability", "trusted.x", "system.posix_acl_access", "system.posix_acl_default"} {
		assert.Equal(t, syscall.EOPNOTSUPP, k.setxattr(f, name, "x", 0), name)
	}
	assert.NotZero(t, k.setxattr(f, nameXattr, "mine", 0))
	h := header(alice, f)
	buf := make([]byte, 100)
	n, status := k.f.ListXAttr(nil, &h, buf)
	require.Equal(t, fuse.OK, status)
	assert.Equal(t, "user.a\x00", string(buf[:n]), "not the assigned name, which copies would take along")
	n, status = k.f.ListXAttr(nil, &h, nil)
	assert.Equal(t, fuse.ERANGE, status)
	assert.EqualValues(t, 7, n)

	k.f.inodes.get(f).mu.Lock()
	stored, _ := k.f.inodes.get(f).rare.xattrs.get("user.a")
	k.f.inodes.get(f).mu.Unlock()
	require.Equal(t, fuse.OK, k.f.RemoveXAttr(nil, &h, "user.a"))
	assert.Equal(t, []byte{0, 0, 0}, stored, "the value is overwritten")
	assert.Equal(t, fuse.ENODATA, k.f.RemoveXAttr(nil, &h, "user.a"))
}

func TestLimits(t *testing.T) {
	t.Run("inodes", func(t *testing.T) {
		k := newKernelLimited(t, memstore.Config{Limit: 8 << 20, Inodes: 3}, "tmpdir")
		k.must(k.create(alice, root, "a"))
		b := k.must(k.create(alice, root, "b"))
		_, errno := k.create(alice, root, "c")
		assert.Equal(t, syscall.ENOSPC, errno)
		assert.Equal(t, syscall.ENOSPC, k.link(alice, b, root, "c"), "a further link takes an inode, as on tmpfs")
		require.Zero(t, k.unlink(alice, root, "b"))
		k.forget(b)
		k.must(k.create(alice, root, "c"))
	})
	t.Run("bytes", func(t *testing.T) {
		k := newKernelLimited(t, memstore.Config{Limit: 4 << 20, Inodes: 100}, "tmpdir")
		a := k.must(k.create(alice, root, "a"))
		chunk, total := make([]byte, 1<<20), uint64(0)
		for {
			n, errno := k.write(a, total, chunk)
			if errno != 0 {
				assert.Equal(t, syscall.ENOSPC, errno)
				break
			}
			total += uint64(n)
		}
		assert.Greater(t, total, uint64(4<<20-128<<10))
		var out fuse.StatfsOut
		require.Equal(t, fuse.OK, k.f.StatFs(nil, &fuse.InHeader{}, &out))
		assert.LessOrEqual(t, out.Bfree, uint64(1))
		assert.Equal(t, syscall.ENOSPC, k.setxattr(a, "user.x", strings.Repeat("x", 8000), 0))
	})
	t.Run("share of one uid", func(t *testing.T) {
		k := newKernelLimited(t, memstore.Config{Limit: 8 << 20, Inodes: 100, OwnerLimit: 1 << 20}, "tmpdir")
		a := k.must(k.create(alice, root, "a"))
		k.write(a, 0, make([]byte, 1<<20))
		_, errno := k.write(a, 1<<20, make([]byte, 4096))
		assert.Equal(t, syscall.EDQUOT, errno)
	})
}

func TestChownMovesTheShare(t *testing.T) {
	k := newKernel(t, "posix")
	f := k.must(k.create(0, root, "f"))
	k.write(f, 0, make([]byte, 100000))
	require.Zero(t, k.setxattr(f, "user.a", "value", 0))
	require.Zero(t, k.setattr(0, f, chownTo(alice)))
	assert.EqualValues(t, alice, k.attr(f).Uid)
	assert.EqualValues(t, 1, k.f.store.OwnerUsage(alice).Inodes)
	assert.Greater(t, k.f.store.OwnerUsage(alice).Used, memstore.Bytes(100000))
}

// The kernel asks for set-id bits to be cleared with every chown(2) of a file
// (fuse_do_setattr). Set-group-ID without execute stays where the caller is of
// the group that the file had, whatever group it gets.
func TestChownClearsSetIDByTheFormerGroup(t *testing.T) {
	const other = 2000
	chgrp := func(gid uint32) func(*fuse.SetAttrIn) {
		return func(in *fuse.SetAttrIn) { in.Valid, in.Gid = fuse.FATTR_GID|fuse.FATTR_KILL_SUIDGID, gid }
	}
	for _, c := range []struct {
		from, to uint32
		mode     uint32
		left     uint32
	}{
		{alice, other, 02644, 02644},
		{other, alice, 02644, 0644},
		{alice, other, 02654, 0654},
		{alice, other, 06644, 02644},
	} {
		k := newKernel(t, "posix")
		f := k.must(k.mknod(alice, root, "f", syscall.S_IFREG|0644))
		require.Zero(t, k.setattr(0, f, chgrp(c.from)))
		require.Zero(t, k.setattr(alice, f, func(in *fuse.SetAttrIn) { in.Valid, in.Mode = fuse.FATTR_MODE, c.mode }))
		require.Zero(t, k.setattr(alice, f, chgrp(c.to)))
		assert.Equal(t, c.left, k.attr(f).Mode&07777, "%o from group %d to %d", c.mode, c.from, c.to)
	}
}

func TestTimesBeforeTheEpoch(t *testing.T) {
	k := newKernel(t, "tmpdir")
	f := k.must(k.create(alice, root, "f"))
	before := int64(-2)
	require.Zero(t, k.setattr(alice, f, func(in *fuse.SetAttrIn) {
		in.Valid, in.Mtime, in.Mtimensec = fuse.FATTR_MTIME, uint64(before), 5
	}))
	a := k.attr(f)
	assert.Equal(t, before, int64(a.Mtime))
	assert.EqualValues(t, 5, a.Mtimensec)
}

func TestFallocateAndSeek(t *testing.T) {
	k := newKernel(t, "tmpdir")
	f := k.must(k.create(alice, root, "f"))
	fallocate := func(mode uint32, off, n uint64) syscall.Errno {
		return syscall.Errno(k.f.Fallocate(nil, &fuse.FallocateIn{InHeader: header(alice, f), Mode: mode, Offset: off, Length: n}))
	}
	require.Zero(t, fallocate(0, 0, 3*4096))
	assert.EqualValues(t, 3*4096, k.attr(f).Size)
	assert.GreaterOrEqual(t, k.attr(f).Blocks, uint64(24))
	require.Zero(t, fallocate(fallocPunchHole|fallocKeepSize, 4096, 4096))
	seek := func(whence uint32, off uint64) (uint64, syscall.Errno) {
		var out fuse.LseekOut
		status := k.f.Lseek(nil, &fuse.LseekIn{InHeader: header(alice, f), Offset: off, Whence: whence}, &out)
		return out.Offset, syscall.Errno(status)
	}
	at, errno := seek(seekHole, 0)
	assert.Zero(t, errno)
	assert.EqualValues(t, 4096, at)
	at, errno = seek(seekData, 4096)
	assert.Zero(t, errno)
	assert.EqualValues(t, 8192, at)
	_, errno = seek(seekData, 3*4096)
	assert.Equal(t, syscall.ENXIO, errno)
	assert.Equal(t, syscall.EOPNOTSUPP, fallocate(0x08, 0, 4096), "collapse range, as tmpfs")
	assert.Equal(t, syscall.EFBIG, fallocate(0, 1<<63-1, 4096))
	_, errno = k.write(f, 1<<63, []byte("x"))
	assert.Equal(t, syscall.EFBIG, errno)
}

func TestReadResultOverwritesItsBuffer(t *testing.T) {
	k := newKernel(t, "tmpdir")
	f := k.must(k.create(alice, root, "f"))
	k.write(f, 0, []byte("contents"))
	buf := make([]byte, 16)
	result, status := k.f.Read(nil, &fuse.ReadIn{InHeader: header(alice, f), Size: 16}, buf)
	require.Equal(t, fuse.OK, status)
	require.Equal(t, 8, result.Size())
	result.Done()
	assert.Equal(t, make([]byte, 16), buf)
}

func TestSymlinkInside(t *testing.T) {
	k := newKernel(t, "compat")
	d := k.must(k.mkdir(alice, root, "venv"))
	bin := k.must(k.mkdir(alice, d, "bin"))
	link := k.must(k.symlink(alice, bin, "../lib", "l"))
	h := header(alice, link)
	target, status := k.f.Readlink(nil, &h)
	require.Equal(t, fuse.OK, status)
	assert.Equal(t, "../lib", string(target))
	for _, bad := range []string{"/etc", "../../other", "../.."} {
		_, errno := k.symlink(alice, bin, bad, "bad")
		assert.Equal(t, syscall.EPERM, errno, bad)
	}
	require.Zero(t, k.rename(alice, bin, "l", root, "moved", 0))
	_, status = k.f.Readlink(nil, &h)
	assert.NotEqual(t, fuse.OK, status, "moved to where its target leaves the entry")
}

func TestSetGroupIDDirectoryInPosix(t *testing.T) {
	k := newKernel(t, "posix")
	d := k.must(k.mkdir(alice, root, "d"))
	require.Zero(t, k.setattr(alice, d, func(in *fuse.SetAttrIn) { in.Valid, in.Mode = fuse.FATTR_MODE, 02777 }))
	sub := k.must(k.mkdir(bob, d, "sub"))
	assert.EqualValues(t, alice, k.attr(sub).Gid)
	assert.NotZero(t, k.attr(sub).Mode&syscall.S_ISGID)
}
