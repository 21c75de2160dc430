//go:build linux

package integration

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var _ = register(map[string]semantic{
	"modes/open":    modesOpen,
	"modes/mkdir":   modesMkdir,
	"modes/mknod":   modesMknod,
	"modes/tmpfile": modesTmpfile,
	"modes/umask":   modesUmask,
	"modes/chmod":   modesChmod,
	"modes/set-id":  modesSetID,
	"modes/acl":     modesACL,
	"modes/chown":   modesChown,
	"modes/default": modesDefaultACL,
})

// wide are the modes that careless programs ask for.
var wide = []uint32{0o666, 0o777, 0o755, 0o644, 0o640, 0o600, 0o700, 0o400, 0}

func modesOpen(t *testing.T, s *subject) {
	for _, mode := range wide {
		path := s.path(fmt.Sprintf("f%o", mode))
		require.NoError(t, tryOpen(path, unix.O_CREAT|unix.O_WRONLY, mode))
		s.see(t, "open "+octal(mode), octal(mode), perms(t, path))
	}
}

func modesMkdir(t *testing.T, s *subject) {
	for _, mode := range wide {
		path := s.path(fmt.Sprintf("d%o", mode))
		require.NoError(t, unix.Mkdir(path, mode))
		s.see(t, "mkdir "+octal(mode), octal(mode), perms(t, path))
	}
}

func modesMknod(t *testing.T, s *subject) {
	for _, mode := range wide {
		path := s.path(fmt.Sprintf("p%o", mode))
		require.NoError(t, unix.Mkfifo(path, mode))
		s.see(t, "mkfifo "+octal(mode), octal(mode), perms(t, path))
		path = s.path(fmt.Sprintf("r%o", mode))
		require.NoError(t, unix.Mknod(path, unix.S_IFREG|mode, 0))
		s.see(t, "mknod "+octal(mode), octal(mode), perms(t, path))
	}
}

func modesTmpfile(t *testing.T, s *subject) {
	for _, mode := range wide {
		fd := open(t, s.dir, unix.O_TMPFILE|unix.O_RDWR, mode)
		s.see(t, "tmpfile "+octal(mode), octal(mode), octal(fstat(t, fd).Mode))
	}
}

func modesUmask(t *testing.T, s *subject) {
	unix.Umask(0o27)
	defer unix.Umask(0)
	require.NoError(t, tryOpen(s.path("f"), unix.O_CREAT|unix.O_WRONLY, 0o666))
	s.see(t, "file under umask 027", "0640", perms(t, s.path("f")))
	require.NoError(t, unix.Mkdir(s.path("d"), 0o777))
	s.see(t, "directory under umask 027", "0750", perms(t, s.path("d")))
	unix.Umask(0o277)
	require.NoError(t, tryOpen(s.path("g"), unix.O_CREAT|unix.O_WRONLY, 0o666))
	s.see(t, "file under umask 0277", "0400", perms(t, s.path("g")))
}

func modesChmod(t *testing.T, s *subject) {
	path, dir := s.put(t, "f", ""), s.mkdir(t, "d")
	fd := open(t, path, unix.O_RDONLY, 0)
	for _, mode := range wide {
		s.see(t, "chmod "+octal(mode), "ok "+octal(mode), errname(unix.Chmod(path, mode))+" "+perms(t, path))
		s.see(t, "chmod of a directory "+octal(mode), "ok "+octal(mode), errname(unix.Chmod(dir, mode))+" "+perms(t, dir))
	}
	s.see(t, "fchmod", "ok 0666", errname(unix.Fchmod(fd, 0o666))+" "+perms(t, path))
	s.see(t, "fchmodat", "ok 0644", errname(unix.Fchmodat(unix.AT_FDCWD, path, 0o644, 0))+" "+perms(t, path))
}

func modesSetID(t *testing.T, s *subject) {
	path, dir := s.put(t, "f", ""), s.mkdir(t, "d")
	for _, mode := range []uint32{0o4700, 0o2700, 0o1700} {
		s.see(t, "file "+octal(mode), "ok "+octal(mode), errname(unix.Chmod(path, mode))+" "+perms(t, path))
		s.see(t, "directory "+octal(mode), "ok "+octal(mode), errname(unix.Chmod(dir, mode))+" "+perms(t, dir))
	}
	require.NoError(t, tryOpen(s.path("g"), unix.O_CREAT|unix.O_WRONLY, 0o6755))
	s.see(t, "created set-id", "6755", perms(t, s.path("g")))
	require.NoError(t, unix.Mkdir(s.path("e"), 0o1777))
	s.see(t, "created sticky", "1777", perms(t, s.path("e")))
}

// acl is the value of a POSIX ACL attribute that lets everybody do all, with
// one named user: version 2, then tag, permission and id of each entry
// (include/uapi/linux/posix_acl_xattr.h).
func acl(named uint32) []byte {
	const nobody = 0xffffffff
	value := binary.LittleEndian.AppendUint32(nil, 2)
	for _, entry := range [][3]uint32{{1, 7, nobody}, {2, 7, named}, {4, 7, nobody}, {0x10, 7, nobody}, {0x20, 7, nobody}} {
		value = binary.LittleEndian.AppendUint16(value, uint16(entry[0]))
		value = binary.LittleEndian.AppendUint16(value, uint16(entry[1]))
		value = binary.LittleEndian.AppendUint32(value, entry[2])
	}
	return value
}

func modesACL(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	s.see(t, "set", "ok", errname(unix.Setxattr(path, "system.posix_acl_access", acl(other), 0)))
	s.see(t, "mode", "0777", perms(t, path))
	_, err := unix.Getxattr(path, "system.posix_acl_access", make([]byte, 100))
	s.see(t, "get", "ok", errname(err))
}

func modesDefaultACL(t *testing.T, s *subject) {
	dir := s.mkdir(t, "d")
	s.see(t, "set", "ok", errname(unix.Setxattr(dir, "system.posix_acl_default", acl(other), 0)))
	require.NoError(t, tryOpen(dir+"/f", unix.O_CREAT|unix.O_WRONLY, 0o666))
	s.see(t, "inherited", "0666", perms(t, dir+"/f"))
}

func modesChown(t *testing.T, s *subject) {
	path := s.put(t, "f", "")
	s.see(t, "to oneself", "ok", errname(unix.Chown(path, user(), user())))
	s.see(t, "to nobody in particular", "ok", errname(unix.Chown(path, -1, -1)))
	s.see(t, "to another", "EPERM", errname(unix.Chown(path, other, -1)))
	s.see(t, "to root", "EPERM", errname(unix.Chown(path, root, root)))
	s.see(t, "to a group one is not in", "EPERM", errname(unix.Chown(path, -1, other)))
	st := lstat(t, path)
	s.see(t, "owner", number(user()), number(st.Uid))
	s.see(t, "group", number(user()), number(st.Gid))
}
