package launch

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
