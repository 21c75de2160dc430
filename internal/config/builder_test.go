package config

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fakeSystem is a machine of 8 GiB with the users root (0), ann (1000:100) and bob (1001:1001).
func fakeSystem(euid uint32) System {
	names := map[string]uint32{"root": 0, "ann": 1000, "bob": 1001}
	lookup := func(name string) (uint32, bool) {
		id, ok := names[name]
		return id, ok
	}
	groups := map[uint32]uint32{0: 0, 1000: 100, 1001: 1001}
	return System{
		EUID: euid, EGID: groups[euid],
		Memory:  func() (Memory, error) { return Memory{RAM: 8 << 30}, nil },
		UserID:  lookup,
		GroupID: lookup,
		PrimaryGroup: func(uid uint32) (uint32, bool) {
			gid, ok := groups[uid]
			return gid, ok
		},
		ReadFile: readPolicyFile,
	}
}

// parse runs a command line through the flags and Finish.
func parse(system System, args ...string) (Options, error) {
	b := New(system)
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	b.AddFlags(set)
	if err := set.Parse(args); err != nil {
		return Options{}, err
	}
	return b.Finish()
}

func TestDefaults(t *testing.T) {
	got, err := parse(fakeSystem(1000))
	require.NoError(t, err)
	assert.Equal(t, Options{
		Source: "safetmp", SizeBytes: 4 << 30, Inodes: 1 << 20, UID: 1000, GID: 100, Mode: 0o700, Transport: "auto",
	}, got)
}

func TestWhatIsGivenCountsMoreThanDefaults(t *testing.T) {
	system := fakeSystem(1000)
	system.Defaults = "transport=uring,size=1m"
	got, err := parse(system, "--size=2m")
	require.NoError(t, err)
	assert.Equal(t, "uring", got.Transport)
	assert.EqualValues(t, 2<<20, got.SizeBytes)
	system.Defaults = "size=?"
	_, err = parse(system)
	require.Error(t, err)
}

func TestFlagsAndListMeanTheSame(t *testing.T) {
	forms := [][2]string{
		{"--size=1g", "size=1g"},
		{"--size=25%", "size=25%"},
		{"--nr-inodes=5k", "nr_inodes=5k"},
		{"--nr-blocks=256", "nr_blocks=256"},
		{"--uid=ann", "uid=1000"},
		{"--uid=7 --gid=8", "uid=7,gid=8"},
		{"--mode=0500", "mode=500"},
		{"--shared", "shared"},
		{"--shared --private", "private,shared"},
		{"--shared --user-size=10% --user-inodes=7", "shared,user_size=10%,user_inodes=7"},
		{"--fsname=x", "fsname=x"},
		{"--nosymfollow", "nosymfollow"},
		{"--transport=dev", "transport=dev"},
		{"--name-template={random}{ext}", "name_template={random}{ext}"},
		{"--profile=strict", "profile=strict"},
	}
	for _, f := range forms {
		flags, err := parse(fakeSystem(0), strings.Fields(f[0])...)
		require.NoError(t, err, f[0])
		list, err := parse(fakeSystem(0), "-o", f[1])
		require.NoError(t, err, f[1])
		assert.Equal(t, flags, list, f)
	}
}

func TestRulesKeepTheirSource(t *testing.T) {
	got, err := parse(fakeSystem(0), "--names=all", "-o", "listing=own,noexec", "--rule", "symlinks=inside")
	require.NoError(t, err)
	assert.Equal(t, []Setting{
		{"--names", "names=all"}, {"-o listing", "listing=own"}, {"--rule", "symlinks=inside"}, {"-o noexec", "exec=none"},
	}, got.Settings)
	p, err := got.Policy()
	require.NoError(t, err)
	assert.True(t, p.NoExecMount())
}

func TestTheSaferOfAPairWins(t *testing.T) {
	for _, list := range []string{"exec,noexec", "noexec,exec"} {
		got, err := parse(fakeSystem(0), "-o", list)
		require.NoError(t, err)
		assert.Equal(t, []Setting{{"-o noexec", "exec=none"}}, got.Settings)
	}
	for _, list := range []string{"shared,private", "private,shared"} {
		got, err := parse(fakeSystem(0), "-o", list)
		require.NoError(t, err)
		assert.False(t, got.Shared)
		assert.EqualValues(t, DefaultPrivateMode, got.Mode)
	}
}

func TestTheLastOfARowCounts(t *testing.T) {
	got, err := parse(fakeSystem(0), "--size=1g", "-o", "size=2g", "--nr-blocks=1")
	require.NoError(t, err)
	assert.EqualValues(t, PageSize, got.SizeBytes)
}

func TestWordsOfMount8(t *testing.T) {
	plain, err := parse(fakeSystem(0))
	require.NoError(t, err)
	for word := range acceptedWords {
		got, err := parse(fakeSystem(0), "-o", word)
		require.NoError(t, err, word)
		assert.Equal(t, plain, got, word)
	}
	for _, list := range []string{"", ",", "x-systemd.automount,x-gvfs-hide", "X-mount.mkdir=0700", "comment=a b", ",,rw,,", "uhelper=udisks2"} {
		got, err := parse(fakeSystem(0), "-o", list)
		require.NoError(t, err, list)
		assert.Equal(t, plain, got, list)
	}
	for word := range refusedWords {
		_, err := parse(fakeSystem(0), "-o", "rw,"+word)
		u := usage(t, err, "-o "+word)
		assert.True(t, strings.HasPrefix(u.Problem, "refused: "), word)
	}
}

func TestRefused(t *testing.T) {
	cases := []struct {
		euid   uint32
		args   string
		source string
		says   string
	}{
		{0, "-o foo", "-o foo", "unknown option"},
		{0, "-o foo=bar", "-o foo", "unknown option"},
		{0, "-o =1", `-o ""`, "unknown option"},
		{0, "-o \x1b[31m", `-o "\x1b[31m"`, "unknown option"},
		{0, "-o size", "-o size", "needs a value"},
		{0, "-o size=", "-o size", "is not a size"},
		{0, "-o shared=1", "-o shared", "takes no value"},
		{0, "-o rw=1", "-o rw", "unknown option"},
		{0, "--shared=1", "--shared", "takes no value"},
		{0, "--size=9g", "--size", "more than may be used here"},
		{0, "--nr-blocks=9223372036854775807", "--nr-blocks", "too large"},
		{0, "--nr-blocks=0", "--nr-blocks", "too small"},
		{0, "--nr-inodes=1", "--nr-inodes", "too small"},
		{0, "--uid=nobody-such", "--uid", "is not a user"},
		{0, "--uid=4294967295", "--uid", "is not a user"},
		{0, "--uid=-1", "--uid", "is not a user"},
		{0, "--gid=x", "--gid", "is not a group"},
		{0, "--uid=77", "--uid", "group of uid 77 is not known"},
		{1000, "--uid=1001", "--uid", "only root may mount for uid 1001"},
		{1000, "--gid=1001", "--gid", "only root may mount for gid 1001"},
		{0, "--mode=9", "--mode", "is not a mode"},
		{0, "--mode=4755", "--mode", "is not a mode"},
		{0, "--mode=", "--mode", "is not a mode"},
		{0, "--mode=-7", "--mode", "is not a mode"},
		{0, "--mode=1777", "--mode", "on a private mount"},
		{0, "--shared --mode=777", "--mode", "remove each other's files"},
		{0, "--user-size=1m", "--user-size", "a private mount has one user"},
		{0, "--shared --user-inodes=0", "--user-inodes", "too small"},
		{0, "--fsname=", "--fsname", "is not a source"},
		{0, "--fsname=a\\b", "--fsname", "is not a source"},
		{0, "--profile=lax", "--profile", `unknown profile "lax"`},
		{0, "--rule=symlinks", "--rule", "is not a setting"},
		{0, "--rule=links=no", "--rule", `unknown rule "links"`},
		{0, "--rule=devices=allow", "--rule", "devices has no value"},
		{0, "--names=some", "--names", "names has no value"},
		{0, "-o scope=world", "-o scope", "scope has no value"},
		{0, "--enforce=off", "--enforce", "enforce has no value"},
		{0, "--name-template=abc", "--name-template", "{random} is missing"},
		{0, "--policy=", "--policy", "is not a file"},
		{0, "--policy=/nonexistent/policy", "--policy", "no such file"},
		{0, "--policy=/dev/zero", "--policy", "not a regular file"},
	}
	for _, c := range cases {
		_, err := parse(fakeSystem(c.euid), strings.Split(c.args, " ")...)
		u := usage(t, err, c.source)
		assert.Contains(t, u.Error(), c.says, c.args)
	}
}

func TestOwner(t *testing.T) {
	for _, c := range []struct {
		args     string
		uid, gid uint32
	}{
		{"--uid=ann", 1000, 100},
		{"--uid=bob --gid=ann", 1001, 1000},
		{"--uid=77 --gid=88", 77, 88},
		{"--gid=5", 0, 5},
	} {
		got, err := parse(fakeSystem(0), strings.Fields(c.args)...)
		require.NoError(t, err, c.args)
		assert.Equal(t, c.uid, got.UID, c.args)
		assert.Equal(t, c.gid, got.GID, c.args)
	}
	_, err := parse(fakeSystem(1000), "--uid=1000", "--gid=100")
	assert.NoError(t, err, "one's own ids need no privilege")
}

func TestMode(t *testing.T) {
	for args, want := range map[string]uint32{
		"--shared":                      0o1733,
		"--shared --mode=1777":          0o1777,
		"--shared --mode=0755":          0o755,
		"--mode=0500":                   0o500,
		"--profile=posix --mode=0755":   0o755,
		"--profile=posix --mode=0777":   0o777,
		"--profile=compat --mode=00700": 0o700,
	} {
		got, err := parse(fakeSystem(0), strings.Fields(args)...)
		require.NoError(t, err, args)
		assert.Equal(t, want, got.Mode, args)
	}
}

func TestShares(t *testing.T) {
	got, err := parse(fakeSystem(0), "--shared", "--size=1m", "--nr-inodes=101")
	require.NoError(t, err)
	assert.EqualValues(t, 512<<10, got.UserSizeBytes)
	assert.EqualValues(t, 50, got.UserInodes)

	store := got.Store()
	assert.EqualValues(t, got.SizeBytes, store.Limit)
	assert.EqualValues(t, got.Inodes, store.Inodes)
	assert.EqualValues(t, got.UserSizeBytes, store.OwnerLimit)
	assert.EqualValues(t, got.UserInodes, store.OwnerInodes)

	got, err = parse(fakeSystem(0), "--shared", "--size=4k", "--user-size=1g", "--user-inodes=1m", "--nr-inodes=2")
	require.NoError(t, err)
	assert.EqualValues(t, 4<<10, got.UserSizeBytes, "a share is never more than the whole, nor less than a page")
	assert.EqualValues(t, 2, got.UserInodes)
}

// A share as large as the mount is no limit of its own: what is full then is the mount, ENOSPC.
func TestAWholeShareIsNone(t *testing.T) {
	got, err := parse(fakeSystem(0), "--shared", "--size=1g", "--nr_inodes=100", "--user-size=100%", "--user-inodes=100")
	require.NoError(t, err)
	assert.Zero(t, got.Store().OwnerLimit)
	assert.Zero(t, got.Store().OwnerInodes)
	got, err = parse(fakeSystem(0), "--shared", "--size=1g", "--nr_inodes=100", "--user-size=99%", "--user-inodes=99")
	require.NoError(t, err)
	assert.EqualValues(t, got.UserSizeBytes, got.Store().OwnerLimit)
	assert.EqualValues(t, 99, got.Store().OwnerInodes)
}

func TestSizeStaysWithinTheCgroup(t *testing.T) {
	system := fakeSystem(0)
	system.Memory = func() (Memory, error) { return Memory{RAM: 8 << 30, Limit: 1 << 30}, nil }
	got, err := parse(system)
	require.NoError(t, err)
	assert.EqualValues(t, 512<<20, got.SizeBytes)
	_, err = parse(system, "--size=2g")
	usage(t, err, "--size")
}

func TestUnreadableMemoryIsNoUsageError(t *testing.T) {
	system := fakeSystem(0)
	system.Memory = func() (Memory, error) { return Memory{}, unix.EACCES }
	_, err := parse(system)
	require.ErrorIs(t, err, unix.EACCES)
}

func TestPolicyFile(t *testing.T) {
	dir := t.TempDir()
	good, bad, fifo, large := filepath.Join(dir, "good.toml"), filepath.Join(dir, "bad.toml"), filepath.Join(dir, "fifo"), filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(good, []byte("symlinks = \"refuse\"\nexec = \"none\"\n"), 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("symlinks = \"refuse\"\nsymlink = \"no\"\n"), 0o600))
	require.NoError(t, os.WriteFile(large, make([]byte, maxPolicyFile+1), 0o600))
	require.NoError(t, unix.Mkfifo(fifo, 0o600))

	got, err := parse(fakeSystem(0), "--policy", good)
	require.NoError(t, err)
	p, err := got.Policy()
	require.NoError(t, err)
	assert.True(t, p.NoExecMount())

	require.NoError(t, os.Remove(good))
	travelled := Options{}
	text, err := json.Marshal(got)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &travelled))
	assert.Equal(t, got, travelled)
	_, err = travelled.Policy()
	assert.NoError(t, err, "the daemon opens no policy file")

	_, err = parse(fakeSystem(0), "--policy", bad)
	usage(t, err, bad+":2")
	_, err = parse(fakeSystem(0), "--policy", fifo)
	assert.Contains(t, usage(t, err, "--policy").Problem, "not a regular file")
	_, err = parse(fakeSystem(0), "--policy", large)
	assert.Contains(t, usage(t, err, "--policy").Problem, "larger than")
}

func TestTableIsWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range options {
		assert.False(t, seen[o.name], "%s is there twice", o.name)
		seen[o.name] = true
		assert.NotEmpty(t, o.usage, o.name)
		assert.NotContains(t, o.usage, "`", "pflag takes backquoted text for the name of the value")
		assert.False(t, acceptedWords[o.name], "%s is an option and a word", o.name)
		assert.NotContains(t, refusedWords, o.name)
	}
	for word := range refusedWords {
		assert.False(t, acceptedWords[word], "%s is accepted and refused", word)
	}
}
