//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// TestLinksInsideWhileMoved walks through a link while its owner moves the
// directory that it is in, to where the target leaves the top-level entry, and
// back. A target is judged by where the link is when it is read; the kernel then
// walks on from wherever the directory is by that time, as it does for ".." in
// any path, so that the owner's own moves can lead the owner's own walk astray.
// What holds all the same: who asks to stay below a directory stays there
// (openat2(2) with RESOLVE_BENEATH).
func TestLinksInsideWhileMoved(t *testing.T) {
	m := mountTest(t, options("profile=compat"))
	inside(t, m.owner, func(t *testing.T) {
		in := func(name string) string { return filepath.Join(m.dir, name) }
		require.NoError(t, os.MkdirAll(in("top/a/b"), 0o700))
		require.NoError(t, os.Mkdir(in("other"), 0o700))
		require.NoError(t, os.WriteFile(in("top/file"), []byte("inside"), 0o600))
		require.NoError(t, os.WriteFile(in("file"), []byte("outside"), 0o600))
		require.NoError(t, unix.Symlink("../../file", in("top/a/b/link")))
		top := open(t, in("top"), unix.O_PATH|unix.O_DIRECTORY, 0)
		moves := moveToAndFro(m.owner, in("top/a/b"), in("other/b"))
		plain, beneath := map[string]int{}, map[string]int{}
		for deadline := time.Now().Add(400 * time.Millisecond); time.Now().Before(deadline); {
			plain[followed(in("top/a/b/link"))]++
			beneath[readBeneath(top, "a/b/link")]++
		}
		moved, err := moves()
		require.NoError(t, err)
		t.Logf("%d moves; followed: %v; followed beneath: %v", moved, plain, beneath)
		assert.Zero(t, beneath["outside"])
		assert.Positive(t, beneath["inside"], "walks that came through")
		assert.Positive(t, beneath["ENOENT"]+beneath["EACCES"]+beneath["EXDEV"]+beneath["EAGAIN"], "walks that met a move")
		for result := range plain {
			assert.Contains(t, []string{"inside", "outside", "ENOENT", "EACCES"}, result)
		}
	})
}

// moveToAndFro renames as uid until it is told to end, which leaves the directory
// at home. It tells how often it moved.
func moveToAndFro(uid int, home, away string) (end func() (int, error)) {
	quit, done := make(chan struct{}), make(chan error, 1)
	moved := 0
	go func() {
		err := hosttest.Become(uid)
		for err == nil && !closed(quit) {
			if err = unix.Rename(home, away); err == nil {
				err = unix.Rename(away, home)
			}
			moved += 2
		}
		done <- err
	}()
	return func() (int, error) {
		close(quit)
		err := <-done
		return moved, err
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// readBeneath reads a file below a directory, through links that stay there.
func readBeneath(dir int, path string) string {
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH})
	if err != nil {
		return errname(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 100)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return errname(err)
	}
	return string(buf[:n])
}
