package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mountTime bounds how long a filesystem may take to come and to go.
const mountTime = 20 * time.Second

// mounted is a mount and the process that serves it, if one does.
type mounted struct {
	dir    string
	server *exec.Cmd
	exited chan struct{} // closed once the server has ended
	said   *tail
}

// pid is that of the server, 0 if there is none.
func (m *mounted) pid() int {
	if m.server == nil {
		return 0
	}
	return m.server.Process.Pid
}

// serve starts a program that mounts on dir and stays, and waits for the mount.
func serve(dir, program string, args ...string) (*mounted, error) {
	before, err := deviceOf(dir)
	if err != nil {
		return nil, err
	}
	m := &mounted{dir: dir, server: exec.Command(program, args...), exited: make(chan struct{}), said: new(tail)}
	m.server.Stdout, m.server.Stderr = m.said, m.said
	m.server.Env = plainEnviron()
	// What ends this program, Ctrl-C for one, is not for the servers: they end
	// when they are unmounted.
	m.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.server.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = m.server.Wait()
		close(m.exited)
	}()
	for deadline := time.Now().Add(mountTime); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if now, err := deviceOf(dir); err == nil && now != before {
			return m, nil
		}
		select {
		case <-m.exited:
			return nil, fmt.Errorf("%w: %s", errUnsupported, m.said.firstLine())
		default:
		}
	}
	return nil, fmt.Errorf("no mount after %v: %w: %s", mountTime, m.stop(), m.said.firstLine())
}

// plainEnviron is the environment without what is meant for the worker.
func plainEnviron() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GOMAXPROCS=") && !strings.HasPrefix(pair, "GODEBUG=") {
			env = append(env, pair)
		}
	}
	return env
}

func deviceOf(dir string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(dir, &st)
	return st.Dev, err
}

// stop unmounts and waits for the server to end; a server that does not is
// killed, and that is an error.
func (m *mounted) stop() error {
	err := unix.Unmount(m.dir, 0)
	if err != nil {
		_ = unix.Unmount(m.dir, unix.MNT_DETACH)
		err = fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	if m.server == nil {
		return err
	}
	select {
	case <-m.exited:
	case <-time.After(mountTime):
		_ = m.server.Process.Kill()
		<-m.exited
		return fmt.Errorf("%s was killed: it had not ended %v after the unmount", m.server.Path, mountTime)
	}
	return err
}

// tail keeps the beginning of what a server says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write takes what fits and drops the rest.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 8 << 10
	t.buf.Write(p[:min(len(p), most-t.buf.Len())])
	return len(p), nil
}

// firstLine is what the server said first, cut where it begins to list things.
func (t *tail) firstLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(t.buf.String()), "\n")
	line, _, _ = strings.Cut(line, " (")
	return line
}
