package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// counted are the signals whose delivery is counted; SIGUSR2 ends the helper.
var counted = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGWINCH}

// TestSignalsOnce: a signal arrives once, whether it was meant for the front or for the whole job. The last one goes
// the same way as a duplicate would, and after it.
func TestSignalsOnce(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		for _, to := range []string{"front", "group"} {
			for _, s := range counted {
				t.Run(unix.SignalName(s)+" to "+to, func(t *testing.T) {
					b := newBox(t, id)
					b.start(b.helper(), "test-signals")
					b.await("ready\n")
					b.settle()
					target := b.cmd.Process.Pid
					if to == "group" {
						target = -target
					}
					kill(t, target, s)
					b.await(unix.SignalName(s))
					kill(t, b.cmd.Process.Pid, unix.SIGUSR2)
					status := b.wait()
					assert.Zero(t, status, b.errors())
					assert.Equal(t, "ready\n"+unix.SignalName(s)+"\nSIGUSR2\n", b.output())
				})
			}
		}
	})
}

// TestSignalToOwnGroup: a command that has left the job's group gets what the job gets through the front.
func TestSignalToOwnGroup(t *testing.T) {
	b := newBox(t, asUser())
	b.start("setsid", b.helper(), "test-signals")
	b.await("ready\n")
	b.settle()
	kill(t, -b.cmd.Process.Pid, unix.SIGINT)
	b.await("SIGINT\n")
	kill(t, b.cmd.Process.Pid, unix.SIGUSR2)
	assert.Zero(t, b.wait(), b.errors())
	assert.Equal(t, "ready\nSIGINT\nSIGUSR2\n", b.output())
}

func TestSignalDeath(t *testing.T) {
	for _, s := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		t.Run(unix.SignalName(s), func(t *testing.T) {
			b := newBox(t, asUser())
			b.start("sleep", "1000")
			b.family()
			kill(t, b.cmd.Process.Pid, s)
			assert.Equal(t, 128+int(s), b.wait())
			assert.Equal(t, s == unix.SIGINT, strings.Contains(b.errors(), "interrupted\n"))
		})
	}
}

// TestStopAndContinue: the front stops when the command does, and both go on together.
func TestStopAndContinue(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		tests := []struct {
			name string
			stop func(family) (int, unix.Signal)
			cont func(family) int
		}{
			{"SIGTSTP to the job, SIGCONT to the job", func(f family) (int, unix.Signal) { return -f.front, unix.SIGTSTP }, func(f family) int { return -f.front }},
			{"SIGTSTP to the front alone, SIGCONT too", func(f family) (int, unix.Signal) { return f.front, unix.SIGTSTP }, func(f family) int { return f.front }},
			{"SIGSTOP of the command, SIGCONT to the front", func(f family) (int, unix.Signal) { return f.command, unix.SIGSTOP }, func(f family) int { return f.front }},
			{"SIGSTOP of the command, SIGCONT to it", func(f family) (int, unix.Signal) { return f.command, unix.SIGSTOP }, func(f family) int { return f.command }},
		}
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				b := newBox(t, id)
				in := b.start("cat")
				f := b.family()
				for range 3 {
					target, s := tc.stop(f)
					kill(t, target, s)
					awaitState(t, f.command, "T")
					awaitState(t, f.front, "T")
					kill(t, tc.cont(f), unix.SIGCONT)
					awaitState(t, f.command, "SR")
					awaitState(t, f.front, "SR")
				}
				require.NoError(t, in.Close())
				assert.Zero(t, b.wait(), b.errors())
			})
		}
	})
}

// TestKilledWhileStopped: a stopped front wakes up to tell of the end.
func TestKilledWhileStopped(t *testing.T) {
	b := newBox(t, asUser())
	b.start("sleep", "1000")
	f := b.family()
	kill(t, f.command, unix.SIGSTOP)
	awaitState(t, f.front, "T")
	kill(t, f.command, unix.SIGKILL)
	assert.Equal(t, 137, b.wait())
}

// TestKill: whoever is killed, the others follow.
func TestKill(t *testing.T) {
	tests := []struct {
		name   string
		target func(family) int
		status int
		errors string
	}{
		{"command", func(f family) int { return f.command }, 137, "report: the stub has wiped\n"},
		{"front", func(f family) int { return f.front }, -1, ""},
		{"daemon", func(f family) int { return f.daemon }, 125, "error: the daemon was lost and the command killed (signal: killed)\n"},
		{"init", func(f family) int { return f.init }, 137, "note: init of the sandbox was lost and the command killed with it: signal: killed\n"},
		{"job", func(f family) int { return -f.front }, -1, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			asEach(t, func(t *testing.T, id identity) {
				b := newBox(t, id)
				// A straggler in a session of its own, which ignores whatever can be ignored.
				b.start("sh", "-c", `trap '' TERM HUP INT; setsid sleep 1000 & echo ready; exec sleep 1000`)
				b.await("ready\n")
				f := b.family()
				kill(t, tc.target(f), unix.SIGKILL)
				assert.Equal(t, tc.status, b.wait())
				assert.Contains(t, b.errors(), tc.errors)
			})
		})
	}
}

// TestTermToTheDaemon: asked to end, the daemon lets the command end first.
func TestTermToTheDaemon(t *testing.T) {
	b := newBox(t, asUser())
	b.start("sh", "-c", `trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.01; done`)
	b.await("ready\n")
	kill(t, child(t, b.cmd.Process.Pid, "test-daemon"), unix.SIGTERM)
	assert.Equal(t, 9, b.wait())
	assert.Equal(t, "ready\nasked\n", b.output())
	assert.Contains(t, b.errors(), "report: the stub has wiped\n")
}

// TestStragglers: what the command leaves behind dies with it, and the front does not wait for it.
func TestStragglers(t *testing.T) {
	for name, script := range map[string]string{
		"background":     `sleep 1000 &`,
		"own session":    `setsid sleep 1000 &`,
		"double fork":    `(setsid sh -c 'sleep 1000 & sleep 1000' &) &`,
		"ignores":        `setsid sh -c 'trap "" TERM HUP INT QUIT; while :; do sleep 1000; done' &`,
		"stopped":        `sleep 1000 & kill -STOP $!;`,
		"holds a file":   `setsid sleep 1000 > /tmp/held &`,
		"own namespace":  `unshare -Ur --fork --pid sleep 1000 &`,
		"daemon in /tmp": `mkdir /tmp/d; cd /tmp/d; setsid sleep 1000 &`,
	} {
		t.Run(name, func(t *testing.T) {
			asEach(t, func(t *testing.T, id identity) {
				b := newBox(t, id)
				assert.Equal(t, 6, b.run("sh", "-c", script+" exit 6"), b.errors())
			})
		})
	}
}

// TestOrphansAreReaped: a zombie of an orphan would stay if init did not wait for it.
func TestOrphansAreReaped(t *testing.T) {
	b := newBox(t, asUser())
	in := b.start("sh", "-c", `for i in 1 2 3 4 5; do (true &) ; done; echo ready; cat`)
	b.await("ready\n")
	f := b.family()
	eventually(t, func() bool { return len(hosttest.Children(f.init)) == 1 }, func() string { return "orphans left" })
	require.NoError(t, in.Close())
	assert.Zero(t, b.wait(), b.errors())
}

// TestDispositions: what the caller ignores and blocks is what the command ignores and blocks.
// inherited adds to a set of ignored signals what this process was started with: under make the C library leaves
// signal 32, of its own, ignored in what it spawns (posix_spawn(3)), and the command is to find that unchanged too.
func inherited(t *testing.T, ignored string) string {
	t.Helper()
	out, err := exec.Command("sed", "-n", `s/^SigIgn:\t//p`, "/proc/self/status").Output()
	require.NoError(t, err)
	ours, err := strconv.ParseUint(strings.TrimSpace(string(out)), 16, 64)
	require.NoError(t, err)
	theirs, err := strconv.ParseUint(ignored, 16, 64)
	require.NoError(t, err)
	return fmt.Sprintf("%016x", ours|theirs)
}

func TestDispositions(t *testing.T) {
	show := `sed -n 's/^Sig\(Blk\|Ign\):\t//p' /proc/self/status`
	tests := []struct {
		name, before string
		blocked      string
		ignored      string
	}{
		{"nothing", ":", "0000000000000000", "0000000000000000"},
		{"as nohup", "trap '' HUP", "0000000000000000", "0000000000000001"},
		{"as a background job", "trap '' INT", "0000000000000000", "0000000000000002"},
		{"stop signals", "trap '' TSTP TTIN TTOU", "0000000000000000", "0000000000380000"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			b := newBox(t, asUser())
			front := b.front("sh", "-c", show)
			front.Path = "/bin/sh"
			front.Args = append([]string{"sh", "-c", tc.before + `; exec "$0" "$@"`, b.helper()}, front.Args[1:]...)
			require.NoError(t, os.Chmod(b.dir, 0o755))
			require.NoError(t, front.Run(), b.errors())
			assert.Equal(t, tc.blocked+"\n"+inherited(t, tc.ignored)+"\n", b.output())
		})
	}
}

// TestIgnoredHangup: under nohup(1) neither the front nor the command ends.
func TestIgnoredHangup(t *testing.T) {
	b := newBox(t, asUser())
	front := b.front("sh", "-c", "echo ready; read x; echo over")
	front.Path, _ = exec.LookPath("nohup")
	front.Args = append([]string{"nohup", b.helper()}, front.Args[1:]...)
	require.NoError(t, os.Chmod(b.dir, 0o755))
	in, err := front.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, front.Start())
	b.await("ready\n")
	kill(t, -front.Process.Pid, unix.SIGHUP)
	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	assert.Zero(t, b.wait(), b.errors())
	assert.Equal(t, "ready\nover\n", b.output())
}

// TestSignalBeforeTheCommand: a signal that comes while the sandbox is being made is not lost.
func TestSignalBeforeTheCommand(t *testing.T) {
	b := newBox(t, asUser())
	b.front("sleep", "1000")
	require.NoError(t, b.cmd.Start())
	child(t, b.cmd.Process.Pid, "test-daemon") // D exists, the command hardly yet
	kill(t, b.cmd.Process.Pid, unix.SIGTERM)
	assert.Equal(t, 143, b.wait(), b.errors())
}
