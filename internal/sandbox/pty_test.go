package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// terminal is a pseudo-terminal with an interactive shell on it, as a person would have.
type terminal struct {
	t      *testing.T
	master *os.File
	shell  *exec.Cmd
	b      *box

	mu     sync.Mutex
	screen bytes.Buffer // guarded by mu
	seen   int          // guarded by mu; how much of screen has been matched
}

// openTerminal starts an interactive bash(1) on a new terminal. In it, $RUN is the sandbox.
func openTerminal(t *testing.T, id identity) *terminal {
	t.Helper()
	hosttest.NeedProgram(t, "bash")
	b := newBox(t, id)
	require.NoError(t, os.Chmod(b.dir, 0o755))
	master, slave := hosttest.OpenPTY(t)
	front := b.front("CMD") // its words, without the command
	script := filepath.Join(b.dir, "run")
	text := fmt.Sprintf("#!/bin/sh\nexec %s test-front '%s' -- \"$@\"\n", b.helper(), front.Args[2])
	require.NoError(t, os.WriteFile(script, []byte(text), 0o755))
	require.NoError(t, os.Chmod(script, 0o755))
	shell := exec.Command("bash", "--norc", "--noprofile", "-i")
	shell.Env = append(front.Env, "PS1=$ ", "RUN="+script, "HISTFILE=")
	shell.Dir = "/"
	shell.Stdin, shell.Stdout, shell.Stderr = slave, slave, slave
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: front.SysProcAttr.Credential}
	require.NoError(t, shell.Start())
	require.NoError(t, slave.Close())
	tty := &terminal{t: t, master: master, shell: shell, b: b}
	go tty.read()
	t.Cleanup(tty.close)
	tty.expect("$ ")
	return tty
}

func (tty *terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := tty.master.Read(buf)
		if err != nil {
			return // EIO: the last slave is closed
		}
		tty.mu.Lock()
		tty.screen.Write(buf[:n])
		tty.mu.Unlock()
	}
}

// send types.
func (tty *terminal) send(keys string) {
	tty.t.Helper()
	_, err := tty.master.WriteString(keys)
	require.NoError(tty.t, err)
}

// expect waits for text to appear after what was last expected.
func (tty *terminal) expect(text string) {
	tty.t.Helper()
	eventually(tty.t, func() bool { return tty.find(text) },
		func() string { return fmt.Sprintf("no %q on the screen:\n%s", text, tty.text()) })
}

// nudge asks for new prompts until the shell has told something with one.
func (tty *terminal) nudge(text string) {
	tty.t.Helper()
	eventually(tty.t, func() bool {
		tty.send("\n")
		time.Sleep(10 * pollPause)
		return tty.find(text)
	}, func() string { return fmt.Sprintf("no %q on the screen:\n%s", text, tty.text()) })
}

// catchUp skips what the shell has told twice: one stop may look like two, if the job went on in between.
func (tty *terminal) catchUp() {
	tty.t.Helper()
	tty.run("echo caught''up")
	tty.expect("caughtup")
	tty.expect("$ ")
}

// find reports whether text is on the screen after what was last expected.
func (tty *terminal) find(text string) bool {
	tty.mu.Lock()
	defer tty.mu.Unlock()
	at := bytes.Index(tty.screen.Bytes()[tty.seen:], []byte(text))
	if at >= 0 {
		tty.seen += at + len(text)
	}
	return at >= 0
}

func (tty *terminal) text() string {
	tty.mu.Lock()
	defer tty.mu.Unlock()
	return tty.screen.String()
}

// run types a command line. What it prints is expected with a word that the line itself does not hold.
func (tty *terminal) run(line string) {
	tty.t.Helper()
	tty.send(line + "\n")
}

func (tty *terminal) close() {
	done := make(chan struct{})
	go func() { _ = tty.shell.Wait(); close(done) }()
	_ = tty.master.Close()
	select {
	case <-done:
	case <-time.After(testEnd):
		_ = tty.shell.Process.Kill()
	}
	tty.b.nothingLeft(hostMounts(tty.t))
}

const (
	ctrlC     = "\x03"
	ctrlZ     = "\x1a"
	ctrlQuit  = "\x1c"
	ctrlD     = "\x04"
	showState = `echo "status $((0+$?))."`
)

func TestTerminalInterrupt(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		tty := openTerminal(t, id)
		tty.run(`$RUN sh -c 'echo re""ady; exec sleep 1000'`)
		tty.expect("ready")
		tty.send(ctrlC)
		tty.expect("interrupted")
		tty.expect("$ ")
		tty.run(showState)
		tty.expect("status 130.")
	})
}

// TestTerminalInterruptHandled: the command decides what Ctrl-C means, and gets it once.
func TestTerminalInterruptHandled(t *testing.T) {
	tty := openTerminal(t, asUser())
	tty.run(`$RUN ` + filepath.Join(tty.b.dir, "helper") + ` test-signals`)
	tty.expect("ready")
	settle(t, child(t, child(t, tty.jobLeader(), "test-daemon"), "test-init"))
	for _, key := range []struct{ key, name string }{{ctrlC, "SIGINT"}, {ctrlQuit, "SIGQUIT"}, {ctrlC, "SIGINT"}} {
		tty.send(key.key)
		tty.expect(key.name)
	}
	require.NoError(t, unix.Kill(tty.jobLeader(), unix.SIGUSR2))
	tty.expect("SIGUSR2")
	tty.run(showState)
	tty.expect("status 0.")
	text := tty.text()
	assert.Equal(t, 2, strings.Count(text, "SIGINT\r\n"), text)
	assert.Equal(t, 1, strings.Count(text, "SIGQUIT\r\n"), text)
}

// jobLeader returns the front of the job that is in the foreground.
func (tty *terminal) jobLeader() int {
	tty.t.Helper()
	return child(tty.t, tty.shell.Process.Pid, "test-front")
}

func TestTerminalStopAndForeground(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		tty := openTerminal(t, id)
		tty.run(`$RUN sh -c 'echo re""ady; read x; echo "go""t $x"'; ` + showState)
		tty.expect("ready")
		for range 2 {
			tty.send(ctrlZ)
			tty.expect("Stopped")
			tty.expect("$ ")
			tty.run("echo al''ive; fg; " + showState)
			tty.expect("alive")
			tty.awaitForeground("helper")
		}
		tty.send("input\n")
		tty.expect("got input")
		tty.expect("status 0.")
	})
}

// TestTerminalBackground: in the background the job is stopped when it reads, as any job.
func TestTerminalBackground(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		tty := openTerminal(t, id)
		tty.run(`$RUN sh -c 'read x; echo "go""t $x"' & echo st''arted`)
		tty.expect("started")
		tty.nudge("Stopped")
		for range 2 {
			tty.catchUp()
			tty.run("fg")
			tty.awaitForeground("helper")
			tty.send(ctrlZ)
			tty.expect("Stopped")
			tty.expect("$ ")
			tty.run("bg")
			tty.expect("RUN sh")
			tty.nudge("Stopped")
		}
		tty.catchUp()
		tty.run("fg")
		tty.awaitForeground("helper")
		tty.send("input\n")
		tty.expect("got input")
		tty.run(showState)
		tty.expect("status 0.")
	})
}

// TestTerminalJobControlInside: an interactive shell in the sandbox has job control of its own, also in a nested one,
// and gives the terminal back.
func TestTerminalJobControlInside(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		for name, run := range map[string]string{"once": `$RUN`, "nested": `$RUN $RUN`} {
			t.Run(name, func(t *testing.T) {
				tty := openTerminal(t, id)
				tty.run(`PS1=in'> ' ` + run + ` bash --norc --noprofile -i; ` + showState)
				tty.expect("in> ")
				tty.run("sleep 1000")
				tty.expect("sleep 1000")
				tty.awaitForeground("sleep")
				tty.send(ctrlZ)
				tty.expect("Stopped")
				tty.run("jobs")
				tty.expect("sleep 1000")
				tty.run("fg")
				tty.expect("sleep 1000")
				tty.awaitForeground("sleep")
				tty.send(ctrlC)
				tty.expect("in> ")
				tty.run("exit 5")
				tty.expect("status 5.")
				tty.run("echo al''ive")
				tty.expect("alive")
			})
		}
	})
}

// awaitForeground waits until a program has the terminal.
func (tty *terminal) awaitForeground(program string) {
	tty.t.Helper()
	eventually(tty.t, func() bool {
		raw, err := tty.master.SyscallConn()
		require.NoError(tty.t, err)
		group := 0
		require.NoError(tty.t, raw.Control(func(fd uintptr) { group, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) }))
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", group))
		return strings.TrimSpace(string(name)) == program
	}, func() string { return program + " is not in the foreground: " + tty.text() })
}

// TestTerminalGivenBack: a script goes on after an interactive shell in the sandbox and can read from the terminal,
// though that shell could not give it back.
func TestTerminalGivenBack(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		tty := openTerminal(t, id)
		tty.run(`sh -c "$RUN bash --norc --noprofile -ic 'PS1=; sleep 0; echo in''side'; read x; echo \"go\"\"t \$x\""; ` + showState)
		tty.expect("inside")
		tty.expect("report")
		tty.send("input\n")
		tty.expect("got input")
		tty.expect("status 0.")
	})
}

// TestTerminalKilledInside: the same when the shell inside was killed and had no chance to give anything back.
func TestTerminalKilledInside(t *testing.T) {
	tty := openTerminal(t, asUser())
	tty.run(`PS1=in'> ' sh -c "$RUN bash --norc --noprofile -i; read x; echo \"go\"\"t \$x\""`)
	tty.expect("in> ")
	tty.run("kill -KILL $$")
	tty.expect("report")
	tty.send("input\n")
	tty.expect("got input")
}

// TestTerminalHangup: the terminal goes away, and everything ends.
func TestTerminalHangup(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		tty := openTerminal(t, id)
		tty.run(`$RUN sh -c 'echo re""ady; exec sleep 1000'`)
		tty.expect("ready")
		// close, in the cleanup, takes the terminal away and checks.
	})
}

// TestTerminalEndOfFile: the shell inside ends by Ctrl-D.
func TestTerminalEndOfFile(t *testing.T) {
	tty := openTerminal(t, asUser())
	tty.run(`PS1=in'> ' $RUN bash --norc --noprofile -i; ` + showState)
	tty.expect("in> ")
	tty.send(ctrlD)
	tty.expect("status 0.")
}
