//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// inMount mounts and runs work on the root in a subtest that is the owner: the
// test itself stays root to unmount.
func inMount(t *testing.T, opts []mountOption, work func(t *testing.T, s *subject)) {
	t.Helper()
	m := mountTest(t, opts...)
	t.Run("as the owner", func(t *testing.T) {
		become(t, m.owner)
		work(t, &subject{kind: kindPrivate, place: placeRoot, top: m.dir, dir: m.dir})
	})
}

// rawListing is a listing as it is, in its order.
func rawListing(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// assignedTo asks which name was assigned to a path.
func assignedTo(t testing.TB, path string) string {
	t.Helper()
	name := getxattr(path, "user.safetmp.name")
	require.Regexp(t, assignedName, name, "user.safetmp.name of %s", path)
	return name
}

func TestNamesListingIsRandom(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		s.put(t, "a", "A")
		names := rawListing(t, s.dir)
		require.Len(t, names, 1)
		assert.Regexp(t, assignedName, names[0])
		assert.Equal(t, "A", s.get(names[0]), "the listed name resolves")
		assert.Equal(t, "A", s.get("a"), "so does the requested one")
		assert.Equal(t, "1", number(lstat(t, s.path("a")).Nlink), "an alias is no link")
	})
}

// TestNamesAreUnguessable looks at a thousand names as an attacker would: no
// two are alike, and no place of them prefers a character.
func TestNamesAreUnguessable(t *testing.T) {
	const count = 1000
	inMount(t, nil, func(t *testing.T, s *subject) {
		s.fill(t, count)
		names := rawListing(t, s.dir)
		require.Len(t, names, count)
		different := map[string]bool{}
		values := make([]map[byte]int, 26)
		for _, name := range names {
			require.Regexp(t, assignedName, name)
			different[name] = true
			for i := range 26 {
				if values[i] == nil {
					values[i] = map[byte]int{}
				}
				values[i][name[i]]++
			}
		}
		assert.Len(t, different, count)
		for i := range 25 { // the last character carries the 3 bits that are left of 128
			assert.Len(t, values[i], 32, "characters at place %d", i)
			for char, times := range values[i] {
				// 31 expected; 80 is nine standard deviations off.
				assert.Less(t, times, 80, "%c at place %d", char, i)
			}
		}
	})
}

func TestNamesNeverRepeat(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		had := map[string]bool{}
		for range 500 {
			name := assignedTo(t, s.put(t, "same", ""))
			require.False(t, had[name], "assigned twice")
			had[name] = true
			require.NoError(t, unix.Unlink(s.path("same")))
		}
	})
}

// TestNamesListingOwn: the owner sees the names he asked for, so that globs,
// find and inotify agree.
func TestNamesListingOwn(t *testing.T) {
	inMount(t, []mountOption{options("listing=own")}, func(t *testing.T, s *subject) {
		s.put(t, "job.1", "")
		s.mkdir(t, "dir")
		s.put(t, "dir/inner", "")
		assert.Equal(t, "dir job.1", listing(t, s.dir))
		assert.Equal(t, "inner", listing(t, s.path("dir")))
		found, err := filepath.Glob(s.path("job.*"))
		require.NoError(t, err)
		assert.Len(t, found, 1)
		name := assignedTo(t, s.path("job.1"))
		assert.Equal(t, "ok", exists(s.path(name)), "the assigned name resolves as well")
		require.NoError(t, unix.Rename(s.path("job.1"), s.path("job.2")))
		assert.Equal(t, "dir job.2", listing(t, s.dir))
		assert.Equal(t, name, assignedTo(t, s.path("job.2")))
		require.NoError(t, unix.Unlink(s.path(name)))
		assert.Equal(t, "dir", listing(t, s.dir))
	})
}

func TestNamesAreToldByAttribute(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		path := s.put(t, "a", "")
		name := assignedTo(t, path)
		assert.Equal(t, []string{name}, rawListing(t, s.dir))
		assert.Equal(t, name, assignedTo(t, s.path(name)), "by the assigned name")
		fd := open(t, path, unix.O_RDONLY, 0)
		value := make([]byte, 100)
		n, err := unix.Fgetxattr(fd, "user.safetmp.name", value)
		require.NoError(t, err)
		assert.Equal(t, name, string(value[:n]), "by a descriptor")
		assert.Equal(t, "EPERM", errname(unix.Setxattr(path, "user.safetmp.name", []byte("mine"), 0)))
		assert.Equal(t, "EPERM", errname(unix.Removexattr(path, "user.safetmp.name")))
		dir := s.mkdir(t, "d")
		assert.Contains(t, rawListing(t, s.dir), assignedTo(t, dir), "a directory has one too")
		s.put(t, "d/inner", "")
		assert.Equal(t, "ENODATA", getxattr(s.path("d/inner"), "user.safetmp.name"), "nothing is assigned below")
		tmpfile := open(t, s.dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
		_, err = unix.Fgetxattr(tmpfile, "user.safetmp.name", value)
		assert.Equal(t, "ENODATA", errname(err), "a file without a name")
	})
}

// TestNamesListedCanBeRemoved gives what was listed to the usual tools.
func TestNamesListedCanBeRemoved(t *testing.T) {
	for _, tool := range []string{
		`rm -rf -- "$T"/*`,
		`find "$T" -mindepth 1 -delete`,
		`ls -A "$T" | while read -r name; do rm -r "$T/$name"; done`,
		`cd "$T" && tar -c -f /dev/null --remove-files *`,
	} {
		inMount(t, nil, func(t *testing.T, s *subject) {
			for i := range 20 {
				s.put(t, fmt.Sprint("file", i), "content")
				s.mkdir(t, fmt.Sprint("dir", i))
				s.put(t, fmt.Sprintf("dir%d/inner", i), "content")
			}
			cmd := command(os.Getuid(), needProgram(t, "bash"), "-eu", "-c", tool)
			cmd.Env = []string{"T=" + s.dir, "PATH=" + os.Getenv("PATH")}
			out, err := boundedOutput(cmd, 20*time.Second)
			require.NoError(t, err, "%s: %s", tool, out)
			assert.Empty(t, rawListing(t, s.dir), tool)
			assert.Equal(t, "ENOENT", exists(s.path("file3")), "%s: gone under its requested name too", tool)
		})
	}
}

func TestNamesRenameMovesTheAlias(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		a, b := assignedTo(t, s.put(t, "a", "A")), assignedTo(t, s.put(t, "b", "B"))
		replaced := open(t, s.path("b"), unix.O_RDONLY, 0)
		require.Equal(t, "ok", rename(s.path("a"), s.path("b"), 0))
		assert.Equal(t, a, assignedTo(t, s.path("b")), "the entry keeps its assigned name")
		assert.Equal(t, []string{a}, rawListing(t, s.dir))
		assert.Equal(t, "A", s.get(a))
		assert.Equal(t, "ENOENT", s.get("a"))
		assert.Equal(t, "ENOENT", s.get(b), "the replaced is gone under its assigned name")
		assert.Equal(t, "B", pread(replaced, 10, 0), "and lives on where it is open")
		require.Equal(t, "ok", rename(s.path(a), s.path("c"), 0), "by its assigned name")
		assert.Equal(t, "A", s.get("c"))
		assert.Equal(t, "ENOENT", s.get("b"))
		assert.Equal(t, a, assignedTo(t, s.path("c")))
	})
}

func TestNamesNoReplaceAndExchange(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		a, b := assignedTo(t, s.put(t, "a", "A")), assignedTo(t, s.put(t, "b", "B"))
		assert.Equal(t, "EEXIST", rename(s.path("a"), s.path("b"), unix.RENAME_NOREPLACE))
		assert.Equal(t, "EEXIST", rename(s.path("a"), s.path(b), unix.RENAME_NOREPLACE), "onto an assigned name")
		require.Equal(t, "ok", rename(s.path("a"), s.path("b"), unix.RENAME_EXCHANGE))
		assert.Equal(t, "B A", s.get("a")+" "+s.get("b"))
		assert.Equal(t, []string{b, a}, []string{assignedTo(t, s.path("a")), assignedTo(t, s.path("b"))})
		assert.Equal(t, "A B", s.get(a)+" "+s.get(b), "assigned names stay with their files")
		dir := s.mkdir(t, "d")
		require.NoError(t, os.WriteFile(dir+"/c", []byte("C"), 0o600))
		require.Equal(t, "ok", rename(dir+"/c", s.path("a"), unix.RENAME_EXCHANGE), "with a plain directory")
		assert.Equal(t, "C B", s.get("a")+" "+s.get("d/c"))
		assert.Regexp(t, assignedName, assignedTo(t, s.path("a")))
		assert.Equal(t, "ENODATA", getxattr(dir+"/c", "user.safetmp.name"))
	})
}

func TestNamesUnlinkByEither(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		for _, remove := range []string{"alias", "assigned"} {
			path := s.put(t, "f", "F")
			name := assignedTo(t, path)
			require.Equal(t, "F", s.get(name)) // both names are in the kernel's cache now
			require.Equal(t, "F", s.get("f"))
			require.NoError(t, unix.Unlink(map[string]string{"alias": path, "assigned": s.path(name)}[remove]))
			assert.Equal(t, "ENOENT", s.get("f"), "alias, after unlink by %s", remove)
			assert.Equal(t, "ENOENT", s.get(name), "assigned name, after unlink by %s", remove)
			assert.Empty(t, rawListing(t, s.dir))
			dir := s.mkdir(t, "d")
			name = assignedTo(t, dir)
			require.Equal(t, "ok", exists(s.path(name)))
			require.NoError(t, unix.Rmdir(map[string]string{"alias": dir, "assigned": s.path(name)}[remove]))
			assert.Equal(t, "ENOENT", exists(dir), "directory, after rmdir by %s", remove)
			assert.Equal(t, "ENOENT", exists(s.path(name)))
		}
	})
}

// TestNamesUnlinkGivesSpaceBack removes by each name a file that the kernel
// knows under both, and waits for what it used.
func TestNamesUnlinkGivesSpaceBack(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		before, err := hosttest.UsageOf(s.dir)
		require.NoError(t, err)
		for i := range 40 {
			path := s.put(t, "f", strings.Repeat("x", 200_000))
			byName := s.path(assignedTo(t, path))
			first, second := path, byName
			if i%2 == 1 {
				first, second = byName, path
			}
			require.Equal(t, "ok", exists(first))
			require.Equal(t, "ok", exists(second))
			require.NoError(t, unix.Unlink([]string{path, byName}[i/2%2]))
			hosttest.SettlesTo(t, s.dir, before)
		}
	})
}

func TestNamesEqualToOwnAssigned(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		path := s.path(assignedTo(t, s.put(t, "a", "A")))
		assert.Equal(t, "EEXIST", errname(tryOpen(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)))
		assert.Equal(t, "EEXIST", errname(unix.Mkdir(path, 0o700)))
		assert.Equal(t, "EEXIST", errname(unix.Mkfifo(path, 0o600)))
		assert.Equal(t, "EEXIST", errname(unix.Link(s.put(t, "b", ""), path)))
		require.NoError(t, tryOpen(path, unix.O_CREAT|unix.O_WRONLY, 0o600), "open without O_EXCL is that file")
		assert.Equal(t, "A", s.get("a"))
		assert.Len(t, rawListing(t, s.dir), 2)
	})
}

func TestNamesEqualToAnothersAssigned(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("shared"))
	var name string
	require.NoError(t, as(victim, func() error {
		if err := os.WriteFile(m.dir+"/a", []byte("A"), 0o600); err != nil {
			return err
		}
		name = assignedTo(t, m.dir+"/a")
		return nil
	}))
	path := filepath.Join(m.dir, name)
	t.Run("an ordinary alias for another", func(t *testing.T) {
		become(t, other)
		assert.Equal(t, "ENOENT", exists(path))
		require.NoError(t, tryOpen(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600))
		assert.NotEqual(t, name, assignedTo(t, path))
	})
	t.Run("nothing changed for its owner", func(t *testing.T) {
		become(t, victim)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "A", string(data))
		assert.Equal(t, []string{name}, rawListing(t, m.dir))
	})
}

func TestNamesAcrossNamingRoots(t *testing.T) {
	inMount(t, nil, func(t *testing.T, s *subject) {
		dir := s.mkdir(t, "d")
		first := assignedTo(t, s.put(t, "a", "A"))
		require.NoError(t, unix.Rename(s.path("a"), dir+"/plain"))
		assert.Equal(t, []string{"plain"}, rawListing(t, dir))
		assert.Equal(t, "ENOENT", s.get(first))
		assert.Equal(t, "ENODATA", getxattr(dir+"/plain", "user.safetmp.name"))
		require.NoError(t, unix.Rename(dir+"/plain", s.path("back")))
		assert.NotEqual(t, first, assignedTo(t, s.path("back")), "an assigned name never repeats")
		require.NoError(t, unix.Link(s.path("back"), s.path("second")))
		assert.Equal(t, "2", number(lstat(t, s.path("back")).Nlink))
		assert.Len(t, rawListing(t, s.dir), 3)
	})
}

func TestNamesAll(t *testing.T) {
	inMount(t, []mountOption{options("names=all")}, func(t *testing.T, s *subject) {
		dir := s.mkdir(t, "d")
		s.put(t, "d/inner", "I")
		require.NoError(t, unix.Mkdir(dir+"/sub", 0o700))
		s.put(t, "d/sub/leaf", "L")
		for _, in := range []string{dir, dir + "/sub"} {
			for _, name := range rawListing(t, in) {
				assert.Regexp(t, assignedName, name)
			}
		}
		assert.Equal(t, "I L", s.get("d/inner")+" "+s.get("d/sub/leaf"))
		require.Equal(t, "ok", rename(dir+"/inner", dir+"/sub/moved", 0))
		assert.Equal(t, "I", s.get("d/sub/moved"))
		first, second := assignedTo(t, s.put(t, "top", "T")), assignedTo(t, dir+"/sub/moved")
		assert.Equal(t, "EEXIST", rename(s.path("top"), dir+"/sub/moved", unix.RENAME_NOREPLACE), "between naming roots")
		require.Equal(t, "ok", rename(s.path("top"), dir+"/sub/moved", unix.RENAME_EXCHANGE), "between naming roots")
		assert.Equal(t, "I T", s.get("top")+" "+s.get("d/sub/moved"))
		assert.Equal(t, []string{second, first}, []string{assignedTo(t, s.path("top")), assignedTo(t, dir+"/sub/moved")}, "assigned names move along")
		assert.Equal(t, "T", s.get("d/sub/"+first))
		for _, name := range rawListing(t, s.dir) {
			assert.NoError(t, os.RemoveAll(s.path(name)))
		}
		assert.Empty(t, rawListing(t, s.dir))
	})
}

func TestNamesRequested(t *testing.T) {
	inMount(t, []mountOption{options("names=requested")}, func(t *testing.T, s *subject) {
		s.put(t, "a", "A")
		s.mkdir(t, "d")
		assert.Equal(t, "a d", listing(t, s.dir))
		assert.Equal(t, "ENODATA", getxattr(s.path("a"), "user.safetmp.name"))
	})
}

func TestNamesTemplate(t *testing.T) {
	inMount(t, []mountOption{options("name_template={stem}-{random}{ext}")}, func(t *testing.T, s *subject) {
		s.put(t, "report-2024$.csv", "")
		assert.Regexp(t, `^report-2024[A-Za-z0-9_-]?-[a-z2-7]{26}\.csv$`, rawListing(t, s.dir)[0])
		longest := strings.Repeat("n", 251) + ".txt"
		s.put(t, longest, "L")
		assert.Equal(t, "L", s.get(longest))
		for _, name := range rawListing(t, s.dir) {
			assert.LessOrEqual(t, len(name), 255)
			assert.Regexp(t, `^[A-Za-z0-9._-]+$`, name)
			assert.Equal(t, "ok", exists(s.path(name)))
		}
	})
}
