//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/launch"
)

// TestWipeAfterFailedMount: a daemon whose filesystem answers, and that cannot
// tell so since whoever asked for it has gone, fails to mount; of what others
// have stored by then it holds nothing when it exits.
func TestWipeAfterFailedMount(t *testing.T) {
	needRoot(t)
	for _, encrypt := range []string{"off", "on"} {
		t.Run("encrypt="+encrypt, func(t *testing.T) {
			hold := newHold(t)
			m, giveUp := startMute(t, hold, "size=64m", "encrypt="+encrypt)
			s := storeSecrets(t, m)
			exists := s.row(t, "mute", "exists")
			require.Equal(t, encrypt == "off", exists.content > 0, "control: contents are found")
			require.Positive(t, exists.attribute, "control: attributes are found")
			require.Positive(t, exists.name, "control: names are found")
			giveUp()
			hold.wait(t)
			left := s.row(t, "mute", "failed")
			assert.Zero(t, left.content, "contents")
			assert.Zero(t, left.attribute, "attributes")
			assert.Zero(t, left.name, "names")
			hold.release()
			m.waitExit(t)
			assert.Nil(t, m.info(), "still mounted")
			assert.NoError(t, os.Remove(m.dir))
		})
	}
}

// startMute starts a daemon as launch.Start does, with a pipe for its one message
// that is full: it serves, and is not ready until giveUp closes the pipe.
func startMute(t *testing.T, hold *exitHold, words ...string) (m *live, giveUp func()) {
	t.Helper()
	needSafetmp(t)
	number := mountCount.Add(1)
	m = &live{dir: filepath.Join(suite.Base, "m", fmt.Sprint(number)), log: filepath.Join(suite.Base, "log", fmt.Sprint(number)),
		owner: victim, by: root, exited: make(chan struct{})}
	require.NoError(t, os.Mkdir(m.dir, 0o700))
	in, out, err := os.Pipe()
	require.NoError(t, err)
	heard, said, err := os.Pipe()
	require.NoError(t, err)
	fillPipe(t, said)
	log, err := os.Create(m.log)
	require.NoError(t, err)
	defer log.Close()
	cmd := command(root, suite.bin, launch.DaemonCommand, m.dir)
	cmd.Env = daemonEnv([]string{"SAFETMP_TEST_HOLD_EXIT=" + hold.path})
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{in, said}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = heard.Close() })
	m.pid = cmd.Process.Pid
	go func() {
		m.err = cmd.Wait()
		close(m.exited)
	}()
	require.NoError(t, json.NewEncoder(out).Encode(optionsFor(t, m, words...)))
	for _, end := range []*os.File{in, out, said} {
		require.NoError(t, end.Close())
	}
	m.waitReady(t)
	return m, func() { require.NoError(t, heard.Close()) }
}

// optionsFor are the options that `safetmp mount` would pass on.
func optionsFor(t *testing.T, m *live, words ...string) config.Options {
	t.Helper()
	b := config.New(config.HostSystem())
	for _, word := range append(words, fmt.Sprint("uid=", m.owner), fmt.Sprint("gid=", m.owner), os.Getenv(optionsEnv)) {
		require.NoError(t, b.ParseList(word))
	}
	opts, err := b.Finish()
	require.NoError(t, err)
	opts.Mountpoint = m.dir
	return opts
}

// fillPipe writes until there is no room.
func fillPipe(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	require.NoError(t, unix.SetNonblock(fd, true))
	for _, size := range []int{4096, 1} {
		for err := error(nil); err == nil; {
			_, err = unix.Write(fd, make([]byte, size))
			require.True(t, err == nil || err == unix.EAGAIN, "%v", err)
		}
	}
	require.NoError(t, unix.SetNonblock(fd, false))
}
