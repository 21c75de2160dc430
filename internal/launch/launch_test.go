package launch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/control"
	"safetmp/internal/mount"
)

func TestDaemonInheritsLittleOfTheEnvironment(t *testing.T) {
	kept := daemonEnvironment([]string{
		"PATH=/bin", "HOME=/root", "XDG_RUNTIME_DIR=/run/user/0", "TZ=UTC", "GOMEMLIMIT=64MiB", "SAFETMP_TEST_X=1",
		"AWS_SECRET_ACCESS_KEY=secret", "PATHS=/x", "LD_PRELOAD=/tmp/x.so", "=", "",
	})
	assert.Equal(t, []string{"PATH=/bin", "HOME=/root", "XDG_RUNTIME_DIR=/run/user/0", "TZ=UTC", "GOMEMLIMIT=64MiB", "SAFETMP_TEST_X=1"}, kept)
}

func TestDaemonIsNotForTheShell(t *testing.T) {
	assert.ErrorIs(t, Daemon(t.Context(), nil), ErrUse)
}

// A daemon whose mount has just ended still answers when the next mount has its number.
func TestTheLatestDaemonServes(t *testing.T) {
	e := mount.Entry{Device: mount.Device{Minor: 45}}
	peer := func(device mount.Device, pid int) Peer {
		return Peer{&control.Client{}, control.Status{Device: device.String(), PID: pid, Started: time.Unix(int64(pid), 0)}}
	}
	ended, now, other := peer(e.Device, 1), peer(e.Device, 2), peer(mount.Device{Minor: 46}, 3)
	for _, peers := range [][]Peer{{ended, now, other}, {other, now, ended}, {now}} {
		found := serving(peers, e)
		require.NotNil(t, found)
		assert.Equal(t, 2, found.Status.PID)
	}
	assert.Nil(t, serving([]Peer{other}, e))
}
