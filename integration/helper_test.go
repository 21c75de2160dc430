//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// helpers is filled by the files that use them; see hosttest.Helper.
var helpers = map[string]func(args []string) error{}

// helperCommand prepares helper name to run as uid.
func helperCommand(uid int, name string, args ...string) *exec.Cmd {
	cmd := command(uid, suite.helper, args...)
	cmd.Env = []string{hosttest.HelperEnv(name), "PATH=" + os.Getenv("PATH")}
	return cmd
}

// partner is a helper that answers line by line.
type partner struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startPartner starts helper name as uid and waits for its line "ready".
func startPartner(t testing.TB, uid int, name string, args ...string) *partner {
	t.Helper()
	return startedPartner(t, helperCommand(uid, name, args...))
}

// startedPartner starts a prepared helper.
func startedPartner(t testing.TB, cmd *exec.Cmd) *partner {
	t.Helper()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &partner{cmd: cmd, in: in, out: bufio.NewReader(out)}
	require.Equal(t, "ready", p.line(t))
	return p
}

// ask sends one line and returns the answer.
func (p *partner) ask(t testing.TB, line string) string {
	t.Helper()
	_, err := fmt.Fprintln(p.in, line)
	require.NoError(t, err)
	return p.line(t)
}

func (p *partner) line(t testing.TB) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(t, err, "partner's answer")
	return line[:len(line)-1]
}

// serve is the partner's half: it says ready, then answers each line.
func serve(answer func(line string) string) error {
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(answer(lines.Text()))
	}
	return lines.Err()
}
