package volume

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/mount"
)

func TestOptionsAreRefusedInOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		options map[string]string
		says    string
	}{
		"unknown":    {map[string]string{"syze": "1m"}, `option "syze": unknown (accepted: size, `},
		"control":    {map[string]string{"a\nb": "1m"}, `option "a\nb": unknown`},
		"bad value":  {map[string]string{"size": "abc"}, `option size: "abc" is not a size`},
		"no value":   {map[string]string{"size": ""}, "option size: needs a value"},
		"word":       {map[string]string{"noexec": "maybe"}, `option noexec: "maybe" is neither true nor false`},
		"host file":  {map[string]string{"policy": "/etc/shadow"}, "option policy: refused"},
		"private":    {map[string]string{"private": "true"}, "option private: refused"},
		"profile":    {map[string]string{"profile": "loose"}, "option profile: "},
		"too much":   {map[string]string{"size": "1024t"}, "option size: "},
		"rule":       {map[string]string{"rule": "symlinks=perhaps"}, "option rule: "},
		"bad mode":   {map[string]string{"mode": "0777"}, "option mode: "},
		"dashes too": {map[string]string{"nr-inodes": "x"}, "option nr-inodes: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Definition{Name: "v", Options: c.options}.resolve(config.HostSystem(), "1m")
			var usage *config.UsageError
			require.ErrorAs(t, err, &usage)
			assert.Contains(t, err.Error(), c.says)
			assert.NotContains(t, err.Error(), "\n")
			for _, hidden := range []string{"policy,", "fsname", "private,"} {
				if _, accepted, found := strings.Cut(err.Error(), "(accepted: "); found {
					assert.NotContains(t, accepted, hidden, "what is not accepted is not listed")
				}
			}
		})
	}
}

func TestOptionsAreThoseOfAMount(t *testing.T) {
	opts, err := Definition{Name: "v", Options: map[string]string{
		"size": "4m", "nr_inodes": "100", "uid": "1000", "gid": "1001", "mode": "1777", "profile": "strict", "listing": "own",
		"enforce": "warn", "exec": "false", "nosymfollow": "",
	}}.resolve(config.HostSystem(), "1m")
	require.NoError(t, err)
	assert.EqualValues(t, 4<<20, opts.SizeBytes)
	assert.EqualValues(t, 100, opts.Inodes)
	assert.Zero(t, opts.UserSizeBytes, "one user may fill the volume")
	assert.Zero(t, opts.UserInodes)
	assert.EqualValues(t, 1000, opts.UID)
	assert.EqualValues(t, 1001, opts.GID)
	assert.EqualValues(t, 0o1777, opts.Mode)
	assert.True(t, opts.Shared)
	assert.True(t, opts.NoSymfollow)
	assert.Equal(t, "v", opts.Source)
	opts, err = Definition{Name: "v", Options: map[string]string{"user_size": "50%"}}.resolve(config.HostSystem(), "1m")
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20, opts.SizeBytes)
	assert.EqualValues(t, 1<<19, opts.UserSizeBytes)
}

func TestNames(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	for _, name := range []string{"", ".", "..", "a/b", "../x", "-v", ".v", "a b", "a\x00", "ä", strings.Repeat("x", 129)} {
		assert.ErrorIs(t, m.Create(Definition{Name: name}), ErrName, "%q", name)
		_, err := m.Get(t.Context(), name)
		assert.ErrorIs(t, err, ErrNotFound, "%q", name)
	}
	for _, name := range []string{"a", "0", "a.b-c_d", strings.Repeat("x", 128)} {
		assert.NoError(t, m.Create(Definition{Name: name}), "%q", name)
	}
}

// A record is not believed because it lies in the folder.
func TestBadRecordsAreSetAside(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	require.NoError(t, m.Create(Definition{Name: "good"}))
	good := *m.volumes["good"].record.Load()
	require.NoError(t, m.Close())
	folder := filepath.Join(f.config.State, recordsName)
	bad := map[string]func(*record){
		"format":   func(r *record) { r.Format = 2 },
		"name":     func(r *record) { r.Name = "other" },
		"place":    func(r *record) { r.Mountpoint = "/etc" },
		"up":       func(r *record) { r.Mountpoint = f.targets + "/../x" },
		"anothers": func(r *record) { r.Mountpoint = m.folder.mountpoint("good") },
		"device":   func(r *record) { r.Device = "x" },
		"socket":   func(r *record) { r.Socket = "../x" },
	}
	for name, spoil := range bad {
		r := good
		r.Name, r.Mountpoint = name, m.folder.mountpoint(name)
		spoil(&r)
		text, err := json.Marshal(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".json"), text, 0o600))
	}
	for name, text := range map[string]string{"empty": "", "half": `{"format":1,`, "unknown": `{"format":1,"x":1}`, "two": "{}{}"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".json"), []byte(text), 0o600))
		bad[name] = nil
	}
	require.NoError(t, os.Symlink("good.json", filepath.Join(folder, "link.json")))
	require.NoError(t, unix.Mkfifo(filepath.Join(folder, "fifo.json"), 0o600))
	bad["link"], bad["fifo"] = nil, nil

	m = f.open()
	for name := range bad {
		_, err := m.Get(t.Context(), name)
		assert.ErrorIs(t, err, ErrNotFound, name)
		_, err = os.Lstat(filepath.Join(folder, name+".json.bad"))
		assert.NoError(t, err, name)
	}
	_, err := m.Get(t.Context(), "good")
	assert.NoError(t, err)
}

func TestStateFolderOfSomebodyElse(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, os.Mkdir(f.config.State, 0o700))
	require.NoError(t, os.Chmod(f.config.State, 0o777))
	_, err := Open(t.Context(), f.config)
	require.ErrorContains(t, err, "only uid 0 can write")
	require.NoError(t, os.Chmod(f.config.State, 0o700))
	require.NoError(t, os.Chown(f.config.State, 1000, 0))
	_, err = Open(t.Context(), f.config)
	require.ErrorContains(t, err, "only uid 0 can write")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"format":1,"name":"v","mountpoint":"/run/x","options":{"size":"1m"},"created":"2026-01-01T00:00:00Z","boot":"b"}`))
	f.Add([]byte(`{"format":1,"name":"../v","device":"0:1","socket":"/run/safetmp/a.sock","users":["a","a"]}`))
	f.Add([]byte(`{"name":null}{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parse(text)
		if err != nil {
			return
		}
		if r.check("v", func(Definition) error { return nil }) != nil {
			return
		}
		assert.Equal(t, "v", r.Name)
		assert.Equal(t, filepath.Clean("/"+r.Socket), "/"+strings.TrimPrefix(r.Socket, "/"))
	})
}

func TestTargets(t *testing.T) {
	root := t.TempDir()
	outside := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "pod/v"), 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "out")))
	require.NoError(t, os.Symlink("pod", filepath.Join(root, "in")))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "pod/last")))
	require.NoError(t, os.WriteFile(filepath.Join(root, "pod/file"), nil, 0o600))
	for _, target := range []string{
		root, root + "/", root + "/pod/../x", root + "/./x", root + "//x", "/etc", "relative", "", root + "x/y",
		root + "/out/x", root + "/in/x", root + "/pod/last", root + "/pod/file", root + "/pod/file/x",
	} {
		assert.ErrorIs(t, makeTarget(root, target), ErrTarget, target)
	}
	assert.ErrorIs(t, makeTarget(root, root+"/none/x"), os.ErrNotExist)
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Empty(t, left, "nothing was made outside")

	good := filepath.Join(root, "pod/v/mount")
	require.NoError(t, makeTarget(root, good))
	require.NoError(t, makeTarget(root, good), "again")
	require.NoError(t, removeTarget(root, good))
	require.NoError(t, removeTarget(root, good), "again")
	assert.NoDirExists(t, good)
	require.ErrorIs(t, removeTarget(root, root+"/in/v"), ErrTarget)
	assert.DirExists(t, filepath.Join(root, "pod/v"))
}

// Somebody puts a link in the place of a directory while the volume is mounted below it.
func TestTargetIsSwapped(t *testing.T) {
	f := newFixture(t)
	m := f.open()
	pod, decoy, outside := filepath.Join(f.targets, "pod"), filepath.Join(f.targets, "decoy"), t.TempDir()
	require.NoError(t, os.Mkdir(pod, 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(outside, "mount"), 0o755))
	require.NoError(t, os.Symlink(outside, decoy))
	target := filepath.Join(pod, "mount")
	swaps, landed := 0, 0
	for range 12 {
		require.NoError(t, m.Create(Definition{Name: "v", Mountpoint: target}))
		stop := swap(pod, decoy)
		_, err := m.Mount(t.Context(), "v", "a")
		swaps += stop()
		if err != nil {
			landed++
		}
		entries, listErr := mount.Entries()
		require.NoError(t, listErr)
		for _, e := range entries {
			assert.False(t, within(outside, e.Mountpoint), "mounted at %s", e.Mountpoint)
		}
		require.NoError(t, m.Unmount("v", "a"))
		_, err = m.Remove(t.Context(), "v")
		require.NoError(t, err)
	}
	assert.Greater(t, swaps, 20)
	assert.Positive(t, landed, "the attack never landed")
}

// swap exchanges two directory entries again and again until it is stopped, and then puts them right. It returns how
// often.
func swap(a, b string) (stop func() int) {
	ask, answer := make(chan struct{}), make(chan int)
	go func() {
		swaps := 0
		for {
			select {
			case <-ask:
				if swaps%2 == 1 {
					_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
				}
				answer <- swaps
				return
			default:
				if unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) == nil {
					swaps++
				}
			}
		}
	}()
	return func() int {
		close(ask)
		return <-answer
	}
}
