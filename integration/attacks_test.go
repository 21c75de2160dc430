//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// arena is a folder in which attacks are tried: once on tmpfs as the world
// knows /tmp, once on safetmp.
type arena struct {
	dir    string
	oracle bool
}

// attempts counts what an attack did: how often it was tried, and how often it
// succeeded. Safe for use by several goroutines.
type attempts struct{ tried, landed atomic.Int64 }

// try counts one attempt; success says that the attacker got what it wanted.
func (a *attempts) try(success bool) {
	a.tried.Add(1)
	if success {
		a.landed.Add(1)
	}
}

// attack runs one attack on a world-writable sticky tmpfs, where it has to
// work, and on a mount, where it must not. The attack itself says what it
// counts as success.
func attack(t *testing.T, opts []mountOption, work func(t *testing.T, a *arena, count *attempts)) {
	t.Helper()
	run := func(name string, a *arena, verdict func(t *testing.T, count *attempts)) {
		t.Run(name, func(t *testing.T) {
			var count attempts
			work(t, a, &count)
			t.Logf("tried %d times, succeeded %d times", count.tried.Load(), count.landed.Load())
			require.Positive(t, count.tried.Load(), "the attack was never tried")
			verdict(t, &count)
		})
	}
	run("control on tmpfs", &arena{dir: mountOracle(t, 0o1777, "size=64m"), oracle: true}, func(t *testing.T, count *attempts) {
		require.Positive(t, count.landed.Load(), "an attack that never works anywhere proves nothing")
	})
	if *oracleOnly {
		return
	}
	m := mountTest(t, opts...)
	run("on safetmp", &arena{dir: m.dir}, func(t *testing.T, count *attempts) {
		assert.Zero(t, count.landed.Load(), "of %d attempts", count.tried.Load())
	})
}

// inside runs work on a subtest's own thread as uid.
func inside(t *testing.T, uid int, work func(t *testing.T)) {
	t.Helper()
	t.Run(fmt.Sprint("as ", uid), func(t *testing.T) {
		become(t, uid)
		work(t)
	})
}

// TestAttackSymlinks plants links at every depth, in every way that can make
// or move one.
func TestAttackSymlinks(t *testing.T) {
	attack(t, nil, func(t *testing.T, a *arena, count *attempts) {
		inside(t, user(), func(t *testing.T) {
			at := a.dir
			for depth := range 6 {
				for i, target := range []string{"/etc/passwd", "..", "file", ".", "/", "a/../../b", ""} {
					link := filepath.Join(at, fmt.Sprintf("link%d", i))
					err := unix.Symlink(target, link)
					if target == "" {
						assert.Equal(t, "ENOENT", errname(err))
						continue
					}
					count.try(err == nil || exists(link) == "ok")
					if !a.oracle {
						assert.Equal(t, "EPERM", errname(err), "depth %d", depth)
					}
				}
				at = filepath.Join(at, "deeper")
				require.NoError(t, unix.Mkdir(at, 0o700))
			}
		})
	})
}

// TestAttackSymlinkByRename brings a link in from outside: a rename across
// mounts is refused by the kernel, so nothing but symlink(2) could make one.
func TestAttackSymlinkByRename(t *testing.T) {
	m := mountTest(t)
	outside := mountOracle(t, 0o1777, "size=1m")
	inside(t, m.owner, func(t *testing.T) {
		require.NoError(t, unix.Symlink("/etc/passwd", outside+"/link"))
		assert.Equal(t, "EXDEV", rename(outside+"/link", m.dir+"/link", 0))
		assert.Equal(t, "EXDEV", errname(unix.Link(outside+"/link", m.dir+"/link")))
		assert.Equal(t, "ENOENT", exists(m.dir+"/link"))
		out, err := command(m.owner, needProgram(t, "mv"), outside+"/link", m.dir+"/link").CombinedOutput()
		assert.Error(t, err, "mv copies the link: %s", out)
		assert.Equal(t, "ENOENT", exists(m.dir+"/link"))
		assert.Equal(t, "ok", exists(outside+"/link"), "mv kept the original")
	})
}

// TestAttackModes opens files to the world in every way there is.
func TestAttackModes(t *testing.T) {
	attack(t, nil, func(t *testing.T, a *arena, count *attempts) {
		inside(t, user(), func(t *testing.T) {
			unix.Umask(0)
			for name, open := range wideOpeners(t) {
				path := filepath.Join(a.dir, "wide "+name)
				open(path)
				mode := lstat(t, path).Mode
				count.try(mode&0o077 != 0)
				count.try(mode&0o7000 != 0)
				assert.NotZero(t, mode&0o700, "%s: the owner keeps his own", name)
			}
		})
	})
}

// wideOpeners are the ways to a file that others may open, or that runs as
// its owner, by what they are called.
func wideOpeners(t *testing.T) map[string]func(path string) {
	create := func(path string) { require.NoError(t, tryOpen(path, unix.O_CREAT|unix.O_WRONLY, 0o600)) }
	return map[string]func(path string){
		"open":   func(path string) { require.NoError(t, tryOpen(path, unix.O_CREAT|unix.O_WRONLY, 0o7777)) },
		"mkdir":  func(path string) { require.NoError(t, unix.Mkdir(path, 0o7777)) },
		"mkfifo": func(path string) { require.NoError(t, unix.Mkfifo(path, 0o7666)) },
		"mknod":  func(path string) { require.NoError(t, unix.Mknod(path, unix.S_IFREG|0o7666, 0)) },
		"bind": func(path string) {
			require.NoError(t, unix.Bind(unixSocket(t), &unix.SockaddrUnix{Name: path}))
		},
		"chmod": func(path string) { create(path); _ = unix.Chmod(path, 0o7777) },
		"fchmod": func(path string) {
			create(path)
			_ = unix.Fchmod(open(t, path, unix.O_RDONLY, 0), 0o7777)
		},
		"fchmodat2": func(path string) {
			create(path)
			_ = unix.Fchmodat(unix.AT_FDCWD, path, 0o7777, unix.AT_SYMLINK_NOFOLLOW)
		},
		"chmod of a directory": func(path string) { require.NoError(t, unix.Mkdir(path, 0o700)); _ = unix.Chmod(path, 0o7777) },
		"tmpfile": func(path string) {
			fd := open(t, filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR, 0o7777)
			require.NoError(t, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW))
		},
		"ACL": func(path string) { create(path); _ = unix.Setxattr(path, "system.posix_acl_access", acl(other), 0) },
		"default ACL": func(path string) {
			require.NoError(t, unix.Mkdir(path+" dir", 0o700))
			_ = unix.Setxattr(path+" dir", "system.posix_acl_default", acl(other), 0)
			require.NoError(t, tryOpen(path+" dir/f", unix.O_CREAT|unix.O_WRONLY, 0o666))
			require.NoError(t, unix.Rename(path+" dir/f", path))
		},
		"chmod of the open, unlinked, relinked": func(path string) {
			fd := open(t, filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR, 0o600)
			_ = unix.Fchmod(fd, 0o7777)
			require.NoError(t, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW))
		},
	}
}

// TestAttackRootMode widens the mount's own root directory.
func TestAttackRootMode(t *testing.T) {
	for name, opts := range map[string][]mountOption{"private": nil, "shared": {options("shared")}} {
		t.Run(name, func(t *testing.T) {
			m := mountTest(t, opts...)
			inside(t, m.owner, func(t *testing.T) {
				before := lstat(t, m.dir).Mode
				_ = unix.Chmod(m.dir, 0o7777)
				assert.Equal(t, octal(before), octal(lstat(t, m.dir).Mode))
				_ = unix.Setxattr(m.dir, "system.posix_acl_access", acl(other), 0)
				assert.Equal(t, octal(before), octal(lstat(t, m.dir).Mode))
			})
		})
	}
}

// TestAttackDevices makes device nodes, as root and as an ordinary user, who
// may make the one with number 0 anywhere else (a whiteout).
func TestAttackDevices(t *testing.T) {
	needRoot(t)
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		for _, uid := range []int{root, victim} {
			inside(t, uid, func(t *testing.T) {
				for i, device := range []struct{ kind, number int }{
					{unix.S_IFCHR, int(unix.Mkdev(1, 3))}, {unix.S_IFBLK, int(unix.Mkdev(7, 0))}, {unix.S_IFCHR, 0},
				} {
					path := filepath.Join(a.dir, fmt.Sprintf("device%d-%d", uid, i))
					err := unix.Mknod(path, uint32(device.kind|0o600), device.number)
					count.try(err == nil || exists(path) == "ok")
					if !a.oracle {
						assert.Equal(t, "EPERM", errname(err))
					}
				}
				path := filepath.Join(a.dir, fmt.Sprint("whiteout", uid))
				require.NoError(t, tryOpen(path, unix.O_CREAT|unix.O_WRONLY, 0o600))
				count.try(rename(path, path+"2", unix.RENAME_WHITEOUT) == "ok")
			})
		}
	})
}

// hostileNames can hurt who prints them, or do not fit.
var hostileNames = []string{"new\nline", "\nleading", "escape\x1b]0;owned\x07", "\x7f", "\x01", "tab\there",
	"\xff\xfe", "half\xe2\x82", "over\xc0\xafslash", "nul\xc0\x80", "surrogate\xed\xa0\x80", "c1\u009b2J"}

// TestAttackNames brings hostile names in through every call that takes one.
func TestAttackNames(t *testing.T) {
	attack(t, nil, func(t *testing.T, a *arena, count *attempts) {
		inside(t, user(), func(t *testing.T) {
			for _, in := range []string{a.dir, filepath.Join(a.dir, "below")} {
				if in != a.dir {
					require.NoError(t, unix.Mkdir(in, 0o700))
				}
				source := filepath.Join(in, "source")
				for _, name := range hostileNames {
					path := filepath.Join(in, name)
					for call, work := range namingCalls(t, source) {
						require.NoError(t, tryOpen(source, unix.O_CREAT|unix.O_WRONLY, 0o600))
						err := work(path)
						count.try(err == nil || exists(path) == "ok")
						if !a.oracle {
							assert.Contains(t, []string{"EINVAL", "EILSEQ", "EPERM"}, errname(err), "%s %q", call, name)
						}
						_ = os.RemoveAll(path)
					}
				}
			}
		})
	})
}

// namingCalls are the calls that give a path its name.
func namingCalls(t *testing.T, source string) map[string]func(path string) error {
	return map[string]func(path string) error{
		"open":    func(path string) error { return tryOpen(path, unix.O_CREAT|unix.O_WRONLY, 0o600) },
		"mkdir":   func(path string) error { return unix.Mkdir(path, 0o700) },
		"mkfifo":  func(path string) error { return unix.Mkfifo(path, 0o600) },
		"bind":    func(path string) error { return unix.Bind(unixSocket(t), &unix.SockaddrUnix{Name: path}) },
		"rename":  func(path string) error { return unix.Rename(source, path) },
		"link":    func(path string) error { return unix.Link(source, path) },
		"symlink": func(path string) error { return unix.Symlink("x", path) },
		"exchange": func(path string) error {
			return unix.Renameat2(unix.AT_FDCWD, source, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		},
		"linkat of a tmpfile": func(path string) error {
			fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		},
	}
}

// TestAttackPrivateMount: at a private mount even root gets EACCES, and so
// does another user, whatever they call.
func TestAttackPrivateMount(t *testing.T) {
	needRoot(t)
	m := mountTest(t)
	require.NoError(t, as(victim, func() error { return os.WriteFile(m.dir+"/secret", []byte("S"), 0o600) }))
	for _, uid := range []int{root, other} {
		inside(t, uid, func(t *testing.T) {
			var count attempts
			for call, err := range intrusions(m.dir) {
				count.try(err == nil)
				assert.Equal(t, "EACCES", errname(err), call)
			}
			assert.Positive(t, count.tried.Load())
			assert.Zero(t, count.landed.Load())
		})
	}
	inside(t, victim, func(t *testing.T) {
		data, err := os.ReadFile(m.dir + "/secret")
		require.NoError(t, err)
		assert.Equal(t, "S", string(data))
		assert.Len(t, rawListing(t, m.dir), 1, "nothing was made")
	})
}

// intrusions are what one tries at a door that is shut.
func intrusions(dir string) map[string]error {
	var st unix.Stat_t
	_, listed := os.ReadDir(dir)
	return map[string]error{
		"stat":           unix.Stat(dir, &st),
		"list":           listed,
		"stat inside":    unix.Stat(dir+"/secret", &st),
		"open":           tryOpen(dir+"/secret", unix.O_RDONLY, 0),
		"create":         tryOpen(dir+"/mine", unix.O_CREAT|unix.O_WRONLY, 0o666),
		"tmpfile":        tryOpen(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600),
		"mkdir":          unix.Mkdir(dir+"/mine", 0o700),
		"unlink":         unix.Unlink(dir + "/secret"),
		"rename":         unix.Rename(dir+"/secret", dir+"/mine"),
		"chmod":          unix.Chmod(dir, 0o777),
		"chown":          unix.Chown(dir, other, other),
		"chdir":          unix.Chdir(dir),
		"set attribute":  unix.Setxattr(dir, "user.a", nil, 0),
		"access":         unix.Access(dir, unix.F_OK),
		"open directory": tryOpen(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0),
	}
}
