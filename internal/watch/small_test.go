package watch

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
	"safetmp/internal/mount"
)

// An error means the same on both ends.
func TestAnswers(t *testing.T) {
	for name, err := range map[string]error{
		"busy":    &mount.Error{Op: "unmount", Path: "/p", Err: unix.EBUSY},
		"gone":    &mount.Error{Op: "unmount", Path: "/p", Err: mount.ErrNotSafetmp},
		"refused": &mount.Error{Op: "unmount", Path: "/p", Err: mount.ErrNotPermitted, Detail: "by fusermount3"},
		"ok":      nil,
		"other":   errors.New("other"),
	} {
		kind, text := answerOf(err)
		back := errorOf("/p", kind, text)
		assert.Equal(t, name, nameOf(back))
		if name == "refused" {
			assert.Equal(t, err.Error(), back.Error())
		}
	}
}

// Hundreds of mounts must be possible.
func TestWatcherIsSmall(t *testing.T) {
	dir := place(t, users(t)[0], 0o700)
	d := startDaemon(t, users(t)[0], dir)
	if hosttest.Race {
		t.Skip("the race detector multiplies memory")
	}
	assert.Eventually(t, func() bool {
		kib := hosttest.StatusKiB(t, d.watcher, "VmRSS")
		t.Logf("%d KiB resident", kib)
		return kib < 6<<10
	}, 2*time.Second, 50*time.Millisecond)
}

func TestEnvironmentHoldsNoSecrets(t *testing.T) {
	got := environment([]string{"PATH=/bin", "TOKEN=x", "HOME=/root", "GORACE=log_path=/x"})
	assert.Equal(t, []string{"GOMAXPROCS=1", "PATH=/bin", "GORACE=log_path=/x"}, got)
}
