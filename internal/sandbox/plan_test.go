package sandbox

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMakePlan(t *testing.T) {
	root := t.TempDir()
	one, two := filepath.Join(root, "one"), filepath.Join(root, "two")
	for _, d := range []string{one, two, filepath.Join(one, "deep"), filepath.Join(root, "onefold")} {
		require.NoError(t, os.Mkdir(d, 0o700))
	}
	require.NoError(t, os.Symlink(one, filepath.Join(root, "link")))
	tool := filepath.Join(two, "tool")
	require.NoError(t, os.WriteFile(tool, nil, 0o700))
	require.NoError(t, os.Symlink(tool, filepath.Join(root, "tool")))
	both := []string{one, two}

	tests := []struct {
		name    string
		wish    Wish
		covers  []string
		warning string
	}{
		{"nothing in the way", Wish{Covers: both, Dir: "/", Program: "/bin/sh"}, both, ""},
		{"no covers", Wish{Covers: []string{}, Dir: "/", Program: "/bin/sh"}, nil, ""},
		{"working directory is it", Wish{Covers: both, Dir: one, Program: "/bin/sh"}, []string{two}, "left uncovered: " + one + " (the working directory is in it)"},
		{"working directory below", Wish{Covers: both, Dir: one + "/deep", Program: "/bin/sh"}, []string{two}, "left uncovered: " + one + " (the working directory is in it)"},
		{"working directory beside", Wish{Covers: both, Dir: one + "fold", Program: "/bin/sh"}, both, ""},
		{"working directory through a link", Wish{Covers: both, Dir: root + "/link/deep", Program: "/bin/sh"}, []string{two}, "left uncovered: " + one + " (the working directory is in it)"},
		{"command below", Wish{Covers: both, Dir: "/", Program: tool}, []string{one}, "left uncovered: " + two + " (the command is in it)"},
		{"command relative", Wish{Covers: both, Dir: root, Program: "./two/tool"}, []string{one}, "left uncovered: " + two + " (the command is in it)"},
		{"command through a link", Wish{Covers: both, Dir: "/", Program: root + "/tool"}, []string{one}, "left uncovered: " + two + " (the command is in it)"},
		{"both", Wish{Covers: both, Dir: one, Program: tool}, nil, "left uncovered: " + one + " (the working directory is in it), " + two + " (the command is in it)"},
		{"a link and what it leads to", Wish{Covers: []string{root + "/link", one}, Dir: "/", Program: "/bin/sh"}, []string{one}, ""},
		{"a link, working directory below its target", Wish{Covers: []string{root + "/link"}, Dir: one + "/deep", Program: "/bin/sh"}, nil, "left uncovered: " + one + " (the working directory is in it)"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			plan, err := MakePlan(tc.wish)
			require.NoError(t, err)
			assert.Equal(t, tc.covers, plan.Covers)
			assert.Equal(t, tc.warning, plan.Warning)

			tc.wish.Strict = true
			_, err = MakePlan(tc.wish)
			if tc.warning == "" {
				assert.NoError(t, err)
				return
			}
			var ours *Error
			require.ErrorAs(t, err, &ours)
			assert.Equal(t, StatusFailed, ours.Status)
		})
	}
}

func TestDefaultCovers(t *testing.T) {
	plan, err := MakePlan(Wish{Dir: "/", Program: "/bin/sh"})
	require.NoError(t, err)
	assert.Contains(t, plan.Covers, "/tmp")
}

func TestImpossibleWishes(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	tests := []struct {
		name    string
		wish    Wish
		message string
	}{
		{"relative cover", Wish{Covers: []string{"tmp"}}, "--cover tmp: not an absolute path"},
		{"empty cover", Wish{Covers: []string{""}}, "--cover : not an absolute path"},
		{"missing cover", Wish{Covers: []string{root + "/no"}}, "--cover " + root + "/no: no such file or directory"},
		{"cover a file", Wish{Covers: []string{file}}, "--cover " + file + ": not a directory"},
		{"cover the root", Wish{Covers: []string{"/"}}, "--cover /: cannot be covered"},
		{"cover /proc", Wish{Covers: []string{"/proc/sys"}}, "--cover /proc/sys: cannot be covered"},
		{"relative socket", Wish{Sockets: []string{"x"}}, "--bind-socket x: not an absolute path"},
		{"missing socket", Wish{Sockets: []string{root + "/no"}}, "--bind-socket " + root + "/no: no such file or directory"},
		{"socket is a file", Wish{Sockets: []string{file}}, "--bind-socket " + file + ": neither a socket nor a directory"},
		{"socket is a cover", Wish{Covers: []string{root}, Sockets: []string{root}}, "--bind-socket " + root + ": is a covered directory itself; choose with --cover"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tc.wish.Dir, tc.wish.Program = "/", "/bin/sh"
			_, err := MakePlan(tc.wish)
			var usage *UsageError
			require.ErrorAs(t, err, &usage)
			assert.Equal(t, tc.message, usage.Error())
		})
	}
}

func TestSocketsNeedACover(t *testing.T) {
	root := t.TempDir()
	covered := filepath.Join(root, "covered")
	require.NoError(t, os.Mkdir(covered, 0o700))
	for _, name := range []string{"outside", "covered/inside"} {
		l, err := net.Listen("unix", filepath.Join(root, name))
		require.NoError(t, err)
		defer l.Close()
	}
	plan, err := MakePlan(Wish{
		Covers: []string{covered}, Dir: "/", Program: "/bin/sh",
		Sockets: []string{root + "/outside", covered + "/inside"},
	})
	require.NoError(t, err)
	assert.Equal(t, []string{covered + "/inside"}, plan.Sockets)
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	bin, closed := filepath.Join(dir, "bin"), filepath.Join(dir, "closed")
	for _, d := range []string{bin, closed, filepath.Join(bin, "folder")} {
		require.NoError(t, os.Mkdir(d, 0o700))
	}
	require.NoError(t, os.WriteFile(bin+"/tool", nil, 0o700))
	require.NoError(t, os.WriteFile(closed+"/tool", nil, 0o600))
	require.NoError(t, os.WriteFile(closed+"/data", nil, 0o600))
	t.Chdir(bin)
	tests := []struct {
		name, command, path string
		file                string
		status              int
	}{
		{"first that can be executed", "tool", closed + ":" + bin, bin + "/tool", 0},
		{"with a slash", bin + "/tool", "", bin + "/tool", 0},
		{"relative with a slash", "./tool", "", "./tool", 0},
		{"empty element is the working directory", "tool", "/nowhere:", "./tool", 0},
		{"relative element", "tool", ".", "./tool", 0},
		{"without PATH", "sh", "", "/bin/sh", 0},
		{"found, not executable", "data", closed, "", StatusNotExecutable},
		{"a directory", "folder", bin, "", StatusNotExecutable},
		{"a directory by path", bin + "/folder", "", "", StatusNotExecutable},
		{"nowhere", "no-such-tool", bin, "", StatusNotFound},
		{"below a file", bin + "/tool/x", "", "", StatusNotFound},
		{"empty name", "", bin, "", StatusNotFound},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			file, err := LookPath(tc.command, tc.path)
			if tc.status == 0 {
				require.NoError(t, err)
				assert.Equal(t, tc.file, file)
				return
			}
			var ours *Error
			require.ErrorAs(t, err, &ours)
			assert.Equal(t, tc.status, ours.Status)
		})
	}
}

func TestUserNamespaceHint(t *testing.T) {
	tests := []struct{ name, file, value, hint string }{
		{"none allowed", "user/max_user_namespaces", "0\n", "sysctl -w user.max_user_namespaces="},
		{"Debian's switch", "kernel/unprivileged_userns_clone", "0\n", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"AppArmor", "kernel/apparmor_restrict_unprivileged_userns", "1\n", "AppArmor"},
		{"no switch", "user/max_user_namespaces", "9999\n", "seccomp"},
		{"nothing known", "other", "", "seccomp"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			file := filepath.Join(root, tc.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			require.NoError(t, os.WriteFile(file, []byte(tc.value), 0o600))
			assert.Contains(t, UserNamespaceHint(root), tc.hint)
		})
	}
}

func TestWitness(t *testing.T) {
	now := time.Unix(1000, 0)
	t.Run("I first, then F", func(t *testing.T) {
		w := newWitness()
		assert.False(t, w.got(unix.SIGINT))
		assert.True(t, w.told(unix.SIGINT, now.Add(time.Millisecond)))
		assert.False(t, w.told(unix.SIGINT, now.Add(2*time.Millisecond)), "each is for one")
	})
	t.Run("F first, then I", func(t *testing.T) {
		w := newWitness()
		assert.False(t, w.told(unix.SIGINT, now))
		assert.Empty(t, w.due(now.Add(witnessGrace-1)))
		assert.True(t, w.got(unix.SIGINT))
		assert.Empty(t, w.due(now.Add(witnessGrace)))
	})
	t.Run("F alone", func(t *testing.T) {
		w := newWitness()
		assert.Negative(t, w.next(now))
		assert.False(t, w.told(unix.SIGTERM, now))
		assert.Equal(t, witnessGrace, w.next(now))
		assert.Equal(t, []unix.Signal{unix.SIGTERM}, w.due(now.Add(witnessGrace)))
		assert.Empty(t, w.due(now.Add(time.Hour)), "once")
		assert.Negative(t, w.next(now))
	})
	t.Run("another signal is no witness", func(t *testing.T) {
		w := newWitness()
		w.got(unix.SIGTERM)
		assert.False(t, w.told(unix.SIGINT, now))
	})
	t.Run("given up", func(t *testing.T) {
		w := newWitness()
		w.told(unix.SIGCONT, now)
		w.forget(unix.SIGCONT)
		assert.Empty(t, w.due(now.Add(time.Hour)))
	})
	t.Run("settled", func(t *testing.T) {
		w := newWitness()
		w.told(unix.SIGTSTP, now)
		w.got(unix.SIGCONT)
		w.settle(true)
		assert.Empty(t, w.due(now.Add(time.Hour)), "it has stopped")
		assert.False(t, w.told(unix.SIGCONT, now), "seen before the stop")
		w.got(unix.SIGTSTP)
		w.settle(false)
		assert.Empty(t, w.due(now.Add(time.Hour)), "it goes on")
		assert.True(t, w.told(unix.SIGTSTP, now), "the front was stopped and tells late")
	})
}

func TestFailedKeepsHints(t *testing.T) {
	e := failed("mounting", hintedError{io.ErrUnexpectedEOF})
	assert.Equal(t, &Error{Status: StatusFailed, Message: "mounting: unexpected EOF", Advice: "a hint"}, e)
	assert.Same(t, e, failed("again", errors.Join(e)), "what is ours already is not wrapped twice")
}

func TestRawPathsTravel(t *testing.T) {
	for _, path := range []raw{"", "/tmp", "/t\xffmp\n\"\x00"} {
		text, err := path.MarshalJSON()
		require.NoError(t, err)
		var back raw
		require.NoError(t, back.UnmarshalJSON(text))
		assert.Equal(t, path, back)
	}
}

// TestLateContinue: the front's SIGCONT of an earlier stop neither undoes the next one nor leaves the front stopped.
func TestLateContinue(t *testing.T) {
	front, init := newPeer(t), newPeer(t)
	d := &daemon{front: front.link, init: &initProcess{link: init.link}, stopped: true, stop: 2}
	goesOn := message{Kind: kindSignal, Signal: unix.SIGCONT}

	d.hear(goesOn)
	assert.Equal(t, message{Kind: kindAsk, Stop: 2}, front.next())
	d.hear(message{Kind: kindRuns, Stop: 1})
	assert.True(t, d.stopped, "an answer of before this stop")
	d.hear(message{Kind: kindRuns, Stop: 2})
	assert.False(t, d.stopped)
	assert.Equal(t, message{Kind: kindSignal, Signal: unix.SIGCONT, Stop: 2}, init.next(), "nothing before it")

	d.hear(goesOn)
	hangup := message{Kind: kindSignal, Signal: unix.SIGHUP}
	d.hear(hangup)
	assert.Equal(t, hangup, init.next(), "a command that runs needs no SIGCONT")
}

// peer is the other end of a link.
type peer struct {
	t    *testing.T
	link *link
	far  *link
}

func newPeer(t *testing.T) peer {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	p := peer{t: t}
	p.link, err = newLink(fds[0])
	require.NoError(t, err)
	p.far, err = newLink(fds[1])
	require.NoError(t, err)
	t.Cleanup(func() { p.link.close(); p.far.close() })
	return p
}

func (p peer) next() message {
	p.t.Helper()
	m, err := p.far.receive()
	require.NoError(p.t, err)
	return m
}
