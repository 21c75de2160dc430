package sessions

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// shell is a session of its own whose leader reads commands.
type shell struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func newShell(t *testing.T) *shell {
	t.Helper()
	cmd := exec.Command("sh")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s := &shell{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return s
}

// say runs a line and returns the first line that it prints, a pid.
func (s *shell) say(t *testing.T, line string) int {
	t.Helper()
	_, err := io.WriteString(s.in, line+"\n")
	require.NoError(t, err)
	answer, err := s.out.ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(answer))
	require.NoError(t, err)
	return pid
}

func (s *shell) pid() uint32 { return uint32(s.cmd.Process.Pid) }

// kill ends a process that is a child of nobody here, and waits for its end.
func kill(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	require.Eventually(t, func() bool {
		p, ok := look(pid)
		return !ok || p.dead
	}, 5*time.Second, time.Millisecond)
}

func TestSessionEndsWithItsLastProcess(t *testing.T) {
	s, tracker := newShell(t), New()
	id := tracker.Of(s.pid())
	require.NotZero(t, id)
	first := s.say(t, "sleep 60 >/dev/null & echo $!")
	assert.Equal(t, id, tracker.Of(uint32(first)), "one session")
	second := s.say(t, "sleep 60 >/dev/null & echo $!")
	tracker.Poll()
	assert.False(t, tracker.Ended(id))

	require.NoError(t, s.cmd.Process.Kill())
	require.Eventually(t, func() bool { p, ok := look(int(s.pid())); return !ok || p.dead }, 5*time.Second, time.Millisecond)
	tracker.Poll()
	assert.False(t, tracker.Ended(id), "the leader is a zombie, two processes are left")
	_ = s.cmd.Wait()
	tracker.Poll()
	assert.False(t, tracker.Ended(id), "the leader has gone")
	assert.Equal(t, id, tracker.Of(uint32(second)))
	kill(t, first)
	tracker.Poll()
	assert.False(t, tracker.Ended(id))
	kill(t, second)
	tracker.Poll()
	assert.True(t, tracker.Ended(id))
	assert.Empty(t, tracker.byID)
	assert.Empty(t, tracker.bySID)
}

// A session that was met after its leader had gone is known all the same.
func TestSessionWithoutLeader(t *testing.T) {
	s, tracker := newShell(t), New()
	left := s.say(t, "sleep 60 >/dev/null & echo $!")
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	id := tracker.Of(uint32(left))
	require.NotZero(t, id)
	tracker.Poll()
	assert.False(t, tracker.Ended(id))
	kill(t, left)
	tracker.Poll()
	assert.True(t, tracker.Ended(id))
}

// A process that leaves takes nothing of the old session along.
func TestProcessThatLeaves(t *testing.T) {
	s, tracker := newShell(t), New()
	id := tracker.Of(s.pid())
	// setsid(1) forks where it has to; the new leader says who it is.
	gone := s.say(t, "setsid sh -c 'echo $$; exec sleep 60' & wait")
	t.Cleanup(func() { _ = unix.Kill(gone, unix.SIGKILL) })
	other := tracker.Of(uint32(gone))
	assert.NotEqual(t, id, other)
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	tracker.Poll()
	assert.True(t, tracker.Ended(id))
	assert.False(t, tracker.Ended(other))
}

// The number of a session that has ended is that of another one later.
func TestNumberUsedAgain(t *testing.T) {
	s, tracker := newShell(t), New()
	id := tracker.Of(s.pid())
	known := tracker.byID[id]
	known.leader-- // as if the process of that number had been another one
	again := tracker.Of(s.pid())
	assert.NotEqual(t, id, again)
	assert.True(t, tracker.Ended(id))
	assert.False(t, tracker.Ended(again))
	tracker.byID[again].leader--
	tracker.Poll()
	assert.True(t, tracker.Ended(again))
}

func TestUnknownProcess(t *testing.T) {
	tracker := New()
	assert.Zero(t, tracker.Of(0))
	assert.Zero(t, tracker.Of(1<<31-2))
	assert.False(t, tracker.Ended(0), "what is not known has not ended")
}

func TestParse(t *testing.T) {
	line := "7 (a) b (c) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
	p, ok := parse(7, []byte(line))
	require.True(t, ok)
	assert.Equal(t, process{pid: 7, session: 3, start: 4711}, p)
	for _, broken := range []string{"", "7 (a", "7 (a) S 1 2 3", strings.Replace(line, " 3 ", " x ", 1), strings.Replace(line, "4711", "-", 1)} {
		_, ok := parse(7, []byte(broken))
		assert.False(t, ok, broken)
	}
	p, ok = parse(7, []byte(strings.Replace(line, " S ", " Z ", 1)))
	assert.True(t, ok && p.dead)
	_, ok = look(os.Getpid())
	assert.True(t, ok)
}
