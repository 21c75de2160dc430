package fs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// A read renews an access time that is not later than the last change, or that
// is a day old (relatime in mount(8)).
func TestAccessTimeIsRelative(t *testing.T) {
	k, w := living(t, Lifetimes{}, policy.ProfilePosix)
	file := k.must(k.create(alice, 1, "file"))
	write := func() {
		_, errno := k.write(file, 0, []byte("x"))
		require.Zero(t, errno)
	}
	write()
	for _, step := range []struct {
		name  string
		after time.Duration
		write bool
		moves bool
	}{
		{"after a change", time.Second, false, true},
		{"again", time.Second, false, false},
		{"almost a day later", 24*time.Hour - 2*time.Second, false, false},
		{"a day later", time.Second, false, true},
		{"again after that", time.Hour, false, false},
		{"after another change", time.Second, true, true},
	} {
		if step.write {
			write()
		}
		w.pass(step.after)
		before := k.attr(file).Atime
		_, errno := k.read(file, 0, 1)
		require.Zero(t, errno)
		assert.Equal(t, step.moves, k.attr(file).Atime != before, step.name)
	}
}
