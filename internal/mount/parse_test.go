package mount

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestEntryOf(t *testing.T) {
	infos, err := mountinfo.GetMountsFromReader(strings.NewReader(
		`36 35 0:57 / /mnt/a\040b\011c\012d\134e rw,nosuid,nodev,noexec,nosymfollow shared:1 - fuse.safetmp some\040thing rw,user_id=1000,group_id=100,default_permissions,allow_other
37 35 8:1 / /mnt/x rw - ext4 /dev/sda1 rw
38 35 0:300 / /p rw,relatime - fuse.safetmp safetmp rw,user_id=0,group_id=0
`), mountinfo.FSTypeFilter(Type))
	require.NoError(t, err)
	require.Len(t, infos, 2)
	assert.Equal(t, Entry{
		ID: 36, Mountpoint: "/mnt/a b\tc\nd\\e", Device: Device{0, 57}, Source: "some thing", OwnerUID: 1000, Shared: true,
		NoSUID: true, NoDev: true, NoExec: true, NoSymfollow: true,
	}, entryOf(infos[0]))
	assert.Equal(t, Entry{ID: 38, Mountpoint: "/p", Device: Device{0, 300}, Source: "safetmp"}, entryOf(infos[1]))
	assert.Equal(t, "0:57", Device{0, 57}.String())
}

func TestTopmost(t *testing.T) {
	entries := []Entry{{ID: 1, Mountpoint: "/a"}, {ID: 2, Mountpoint: "/b"}, {ID: 3, Mountpoint: "/a"}}
	e, ok := topmost(entries, "/a")
	require.True(t, ok)
	assert.Equal(t, 3, e.ID)
	_, ok = topmost(entries, "/a/b")
	assert.False(t, ok)
}

func TestParseMapping(t *testing.T) {
	for line, want := range map[string]struct {
		device Device
		path   string
		ok     bool
	}{
		"7f00-7f01 r-xp 00000000 00:39 1234                       /mnt/t/lib so\n": {Device{0, 0x39}, "/mnt/t/lib so", true},
		"7f00-7f01 rw-p 00000000 00:00 0 \n":                                       {Device{0, 0}, "", true},
		"7f00-7f01 rw-s 00001000 fe:01 7 /x (deleted)\n":                           {Device{0xfe, 1}, "/x (deleted)", true},
		"7f00-7f01 rw-p 00000000 00:00 0\n":                                        {},
		"7f00-7f01 rw-p 00000000 zz:00 0 x\n":                                      {},
		"":                                                                         {},
	} {
		device, path, ok := parseMapping(line)
		assert.Equal(t, want.ok, ok, line)
		assert.Equal(t, want.device, device, line)
		assert.Equal(t, want.path, path, line)
	}
}

func TestParseSocket(t *testing.T) {
	inode, path, ok := parseSocket("ffff9c0c: 00000002 00000000 00010000 0001 01 21545 /mnt/t/a b\n")
	require.True(t, ok)
	assert.Equal(t, "21545", inode)
	assert.Equal(t, "/mnt/t/a b", path)
	for _, line := range []string{"", "Num       RefCount Protocol Flags    Type St Inode Path\n", "ffff: 2 0 0 1 1 21545\n"} {
		_, path, _ := parseSocket(line)
		assert.False(t, strings.HasPrefix(path, "/"), line)
	}
}

func TestData(t *testing.T) {
	s := Spec{UID: 1000, GID: 100}
	assert.Equal(t, "fd=7,rootmode=40000,user_id=1000,group_id=100,default_permissions", s.data(7))
	s.Unchecked = true
	assert.Equal(t, "fd=7,rootmode=40000,user_id=1000,group_id=100", s.data(7))
	s.Unchecked, s.Shared, s.MaxRead = false, true, 4096
	assert.Equal(t, "fd=7,rootmode=40000,user_id=1000,group_id=100,default_permissions,max_read=4096,allow_other", s.data(7))
}

func TestFlagsAlwaysHoldNosuidAndNodev(t *testing.T) {
	for _, s := range []Spec{{}, {NoExec: true}, {NoSymfollow: true}, {NoExec: true, NoSymfollow: true}} {
		want := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
		words := "nosuid,nodev,default_permissions,fsname=,subtype=safetmp"
		if s.NoExec {
			want |= unix.MS_NOEXEC
			words += ",noexec"
		}
		if s.NoSymfollow {
			want |= unix.MS_NOSYMFOLLOW
			words += ",nosymfollow"
		}
		assert.Equal(t, want, s.flags())
		assert.Equal(t, words, s.helperOptions())
	}
}

func TestCandidates(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	real, link, via := filepath.Join(base, "real"), filepath.Join(base, "link"), filepath.Join(base, "via")
	require.NoError(t, os.Mkdir(real, 0o700))
	require.NoError(t, os.Symlink("real", link))
	require.NoError(t, os.Symlink(base, via))
	require.NoError(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
	assert.Contains(t, candidates(real), real)
	assert.Contains(t, candidates(link), real)
	assert.Contains(t, candidates(filepath.Join(via, "real")), real)
	assert.Contains(t, candidates(filepath.Join(via, "link")), real)
	assert.Contains(t, candidates(real+"/../real/."), real)
	for _, missing := range []string{filepath.Join(base, "none"), filepath.Join(base, "none", "x"), filepath.Join(base, "file", "x")} {
		assert.Empty(t, candidates(missing), missing)
	}
}

func TestShellQuote(t *testing.T) {
	for path, want := range map[string]string{"/a-b_c.d": "/a-b_c.d", "/a b": "'/a b'", "": "''", "/it's": `'/it'\''s'`, "/$x": "'/$x'"} {
		assert.Equal(t, want, shellQuote(path))
	}
}

func TestHelperErrors(t *testing.T) {
	exit := &exitError
	for said, want := range map[string]error{
		"fusermount3: failed to unmount /x: Device or resource busy\n":                 unix.EBUSY,
		"fusermount3: fuse device not found, try 'modprobe fuse' first\n":              ErrNoDevice,
		"fusermount3: failed to open /dev/fuse: Permission denied\n":                   ErrNoDevice,
		"fusermount3: user has no write access to mountpoint /x\n":                     ErrNotPermitted,
		"fusermount3: entry for /x not found in /etc/mtab\nfusermount3: second line\n": ErrNotPermitted,
		"fusermount3: mounting over filesystem type 0x9fa0 is forbidden\n":             ErrNotPermitted,
		"": ErrNotPermitted,
	} {
		err := helperError("mount", "/x", exit, said)
		require.ErrorIs(t, err, want, said)
		assert.NotContains(t, err.Error(), "\n")
		assert.NotContains(t, err.Error(), "fusermount3: fusermount3")
	}
	err := helperError("mount", "/x", unix.ENOEXEC, "")
	assert.ErrorIs(t, err, unix.ENOEXEC, "a helper that cannot be started")
}

func TestErrorsCarryPathErrnoAndHint(t *testing.T) {
	err := mountError("/x", unix.EPERM)
	require.ErrorIs(t, err, ErrNotPermitted)
	require.ErrorIs(t, err, unix.EPERM)
	assert.Equal(t, "mount: /x: not permitted (operation not permitted)", err.Error())
	var e *Error
	require.True(t, errors.As(err, &e))
	assert.NotEmpty(t, e.Hint())
	for errno, want := range map[unix.Errno]error{
		unix.ENOENT: ErrNoMountpoint, unix.ENOTDIR: ErrNotDirectory, unix.EACCES: ErrNotPermitted, unix.EPERM: ErrNotPermitted,
		unix.ENOTCONN: ErrAlreadyMounted, unix.EIO: unix.EIO,
	} {
		assert.ErrorIs(t, mountpointError("/x", errno), want)
	}
	assert.ErrorIs(t, mountError("/x", unix.ENODEV), ErrNoDevice)
}
