//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// secret is what the victim writes; an attacker who reads it has succeeded.
const secret = "the victim's secret"

// victimWrites makes the victim's file as a careless program does: by a fixed
// name, open to the world, without O_EXCL.
func victimWrites(t testing.TB, path string) {
	t.Helper()
	require.NoError(t, as(victim, func() error {
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_TRUNC|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, err = unix.Write(fd, []byte(secret))
		return err
	}))
}

// noticesNothing checks what the victim sees of its file and its listing.
func noticesNothing(t testing.TB, path string, entries int) {
	t.Helper()
	require.NoError(t, as(victim, func() error {
		data, err := os.ReadFile(path)
		assert.Equal(t, secret, string(data), "the victim's file")
		st := lstat(t, path)
		assert.Equal(t, "1 1000 0600", fmt.Sprintf("%d %d %s", st.Nlink, st.Uid, octal(st.Mode)))
		assert.Len(t, rawListing(t, filepath.Dir(path)), entries, "the victim's listing")
		return err
	}))
}

// TestAttackByName: another user, or root, guesses the name foo and does what one
// can do with a name. On tmpfs some of it works, on safetmp there is no such name.
func TestAttackByName(t *testing.T) {
	needRoot(t)
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		path := filepath.Join(a.dir, "foo")
		victimWrites(t, path)
		for _, uid := range []int{other, root} {
			inside(t, uid, func(t *testing.T) {
				for call, err := range guesses(t, path) {
					count.try(err == nil)
					if !a.oracle {
						assert.Equal(t, "ENOENT", errname(err), call)
					}
				}
			})
		}
		if !a.oracle {
			noticesNothing(t, path, 1)
		}
	})
}

// guesses are the calls that need a name to exist.
func guesses(t *testing.T, path string) map[string]error {
	var st unix.Stat_t
	var statx unix.Statx_t
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(fd)
	_, watched := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY)
	_, got := unix.Getxattr(path, "user.safetmp.name", make([]byte, 100))
	return map[string]error{
		"stat":        unix.Lstat(path, &st),
		"statx":       unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_ALL, &statx),
		"access":      unix.Access(path, unix.F_OK),
		"read":        tryOpen(path, unix.O_RDONLY, 0),
		"write":       tryOpen(path, unix.O_WRONLY, 0),
		"truncate":    unix.Truncate(path, 0),
		"path only":   tryOpen(path, unix.O_PATH, 0),
		"rename away": unix.Rename(path, path+".stolen"),
		"exchange":    unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, path+".other", unix.RENAME_EXCHANGE),
		"unlink":      unix.Unlink(path),
		"rmdir":       unix.Rmdir(path),
		"link":        unix.Link(path, path+".link"),
		"chmod":       unix.Chmod(path, 0o777),
		"chown":       unix.Chown(path, other, other),
		"attribute":   unix.Setxattr(path, "user.a", nil, 0),
		"its name":    got,
		"watch":       watched,
		"connect":     unix.Connect(unixSocket(t), &unix.SockaddrUnix{Name: path}),
	}
}

// TestAttackByAssignedName: even told the assigned name, another user finds
// nothing there.
func TestAttackByAssignedName(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("shared"))
	path := filepath.Join(m.dir, "foo")
	victimWrites(t, path)
	var name string
	require.NoError(t, as(victim, func() error {
		name = assignedTo(t, path)
		return unix.Access(filepath.Join(m.dir, name), unix.F_OK)
	}))
	for _, uid := range []int{other, root} {
		inside(t, uid, func(t *testing.T) {
			for call, err := range guesses(t, filepath.Join(m.dir, name)) {
				assert.Equal(t, "ENOENT", errname(err), call)
			}
		})
	}
	noticesNothing(t, path, 1)
}

// TestAttackByNameBroughtIn: what the victim moves out of a directory, where the
// kernel caches names for everybody, into the root is as unknown to others as
// what was made there.
func TestAttackByNameBroughtIn(t *testing.T) {
	needRoot(t)
	moves := map[string]func(from, to string) error{
		"rename": unix.Rename,
		"exchange": func(from, to string) error {
			if err := os.WriteFile(to, nil, 0o600); err != nil {
				return err
			}
			return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
		},
		"exchange back": func(from, to string) error {
			if err := os.WriteFile(to, nil, 0o600); err != nil {
				return err
			}
			return unix.Renameat2(unix.AT_FDCWD, to, unix.AT_FDCWD, from, unix.RENAME_EXCHANGE)
		},
	}
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		dir := filepath.Join(a.dir, "d")
		require.NoError(t, as(victim, func() error { return unix.Mkdir(dir, 0o700) }))
		for name, move := range moves {
			path := filepath.Join(a.dir, name)
			victimWrites(t, filepath.Join(dir, name))
			require.NoError(t, as(victim, func() error { return move(filepath.Join(dir, name), path) }), name)
			inside(t, other, func(t *testing.T) {
				for call, err := range guesses(t, path) {
					count.try(err == nil)
					if !a.oracle {
						assert.Equal(t, "ENOENT", errname(err), "%s after %s", call, name)
					}
				}
				if !a.oracle {
					assert.NoError(t, os.WriteFile(path, []byte("own"), 0o600), "a file of one's own after %s", name)
				}
			})
		}
	})
}

// TestAttackListing: nobody but its owner lists an entry, nor watches the
// folder for names.
func TestAttackListing(t *testing.T) {
	needRoot(t)
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		victimWrites(t, filepath.Join(a.dir, "foo"))
		inside(t, other, func(t *testing.T) {
			entries, err := os.ReadDir(a.dir)
			count.try(err == nil && len(entries) > 0)
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
			require.NoError(t, err)
			defer unix.Close(fd)
			_, err = unix.InotifyAddWatch(fd, a.dir, unix.IN_ALL_EVENTS)
			count.try(err == nil)
			if !a.oracle {
				assert.Equal(t, "EACCES", errname(err), "watch")
			}
		})
		inside(t, root, func(t *testing.T) {
			if a.oracle {
				return // root reads all of tmpfs, and on safetmp what is root's
			}
			assert.Empty(t, rawListing(t, a.dir), "root lists its own")
		})
	})
}

// TestAttackPreCreate: the attacker has the victim's names first. On tmpfs the
// victim then writes into the attacker's file, or fails.
func TestAttackPreCreate(t *testing.T) {
	needRoot(t)
	squats := map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("bait"), 0o666) },
		"directory": func(path string) error { return unix.Mkdir(path, 0o777) },
		"fifo":      func(path string) error { return unix.Mkfifo(path, 0o666) },
		"socket":    func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o666, 0) },
	}
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		for name, squat := range squats {
			path := filepath.Join(a.dir, name)
			require.NoError(t, as(other, func() error { return squat(path) }), "pre-create %s", name)
			err := as(victim, func() error {
				return tryOpen(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
			})
			count.try(err != nil)
			if !a.oracle {
				assert.Equal(t, "ok", errname(err), "the victim's exclusive create beside a %s", name)
			}
		}
		path := filepath.Join(a.dir, "log")
		fd := -1
		require.NoError(t, as(other, func() (err error) {
			fd, err = unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
			return err
		}))
		defer unix.Close(fd)
		victimWrites(t, path)
		count.try(pread(fd, 100, 0) == secret)
	})
}

// TestAttackRenameOver: the attacker moves its own file to the victim's name,
// by every kind of rename. The sticky bit stops that on tmpfs, so the control
// is a folder without it.
func TestAttackRenameOver(t *testing.T) {
	needRoot(t)
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		if a.oracle {
			require.NoError(t, unix.Chmod(a.dir, 0o777))
		}
		path := filepath.Join(a.dir, "foo")
		victimWrites(t, path)
		inside(t, other, func(t *testing.T) {
			mine := path + ".mine"
			for _, flags := range []uint{0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE} {
				require.NoError(t, os.WriteFile(mine, []byte("bait"), 0o666))
				err := unix.Renameat2(unix.AT_FDCWD, mine, unix.AT_FDCWD, path, flags)
				t.Logf("rename with flags %d: %v", flags, err)
				require.NoError(t, os.WriteFile(mine, []byte("bait"), 0o666))
				linked := unix.Link(mine, path)
				t.Logf("link: %v", linked)
				if !a.oracle {
					_ = unix.Unlink(path)
				}
			}
		})
		require.NoError(t, as(victim, func() error {
			data, err := os.ReadFile(path)
			count.try(err != nil || string(data) != secret)
			return nil
		}))
		if !a.oracle {
			noticesNothing(t, path, 1)
		}
	})
}

// TestAttackHardLink: a link to the victim's file keeps its content and counts
// against the victim. protected_hardlinks stops some of that on tmpfs, so the
// control uses a file that anybody may write.
func TestAttackHardLink(t *testing.T) {
	needRoot(t)
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		path := filepath.Join(a.dir, "foo")
		victimWrites(t, path)
		fd := -1
		require.NoError(t, as(victim, func() (err error) { // as if the victim had passed it on
			fd, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
			return err
		}))
		defer unix.Close(fd)
		for _, uid := range []int{other, root} {
			inside(t, uid, func(t *testing.T) {
				mine := fmt.Sprint(path, ".link", uid)
				count.try(unix.Link(path, mine) == nil)
				err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, mine+".fd", unix.AT_SYMLINK_FOLLOW)
				count.try(err == nil)
				if !a.oracle {
					assert.Equal(t, "EPERM", errname(err), "link by a descriptor that was passed on")
				}
			})
		}
		if !a.oracle {
			noticesNothing(t, path, 1)
		}
	})
}

// TestAttackDescend: inside the victim's directory names are plain; the
// directory itself is what keeps others out.
func TestAttackDescend(t *testing.T) {
	needRoot(t)
	attack(t, []mountOption{options("shared")}, func(t *testing.T, a *arena, count *attempts) {
		dir := filepath.Join(a.dir, "dir")
		names := []string{dir}
		require.NoError(t, as(victim, func() error {
			if err := unix.Mkdir(dir, 0o777); err != nil {
				return err
			}
			if err := os.WriteFile(dir+"/plain", []byte(secret), 0o666); err != nil {
				return err
			}
			if a.oracle {
				return nil
			}
			names = append(names, filepath.Join(a.dir, assignedTo(t, dir)))
			return unix.Chmod(dir, 0o777)
		}))
		inside(t, other, func(t *testing.T) {
			for _, name := range names {
				data, err := os.ReadFile(name + "/plain")
				count.try(err == nil && string(data) == secret)
				count.try(tryOpen(name+"/planted", unix.O_CREAT|unix.O_WRONLY, 0o666) == nil)
				count.try(unix.Chdir(name) == nil)
			}
		})
	})
}

// TestAttackChown gives files away and takes others'.
func TestAttackChown(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("shared"))
	path := filepath.Join(m.dir, "foo")
	victimWrites(t, path)
	inside(t, victim, func(t *testing.T) {
		for _, ids := range [][2]int{{other, -1}, {root, -1}, {-1, other}, {-1, root}, {other, other}} {
			assert.Equal(t, "EPERM", errname(unix.Chown(path, ids[0], ids[1])), "to %v", ids)
		}
	})
	noticesNothing(t, path, 1)
}
