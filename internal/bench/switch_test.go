package bench

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setting is a file that stands for a setting of the machine.
func setting(t *testing.T, value string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "setting")
	require.NoError(t, os.WriteFile(path, []byte(value), 0o600))
	return path
}

func turnOn(t *testing.T, path string) *Switch {
	t.Helper()
	s, err := TurnOn(path)
	require.NoError(t, err)
	return s
}

func value(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// TestSwitch: the last one who needs it puts it back, whoever came first.
func TestSwitch(t *testing.T) {
	for _, before := range []string{"N", "Y"} {
		path := setting(t, before)
		first, second := turnOn(t, path), turnOn(t, path)
		require.NoError(t, first.Off())
		assert.Equal(t, "Y", value(t, path), "while somebody needs it")
		third := turnOn(t, path)
		require.NoError(t, second.Off())
		assert.Equal(t, "Y", value(t, path))
		require.NoError(t, third.Off())
		assert.Equal(t, before, value(t, path))
	}
	_, err := TurnOn(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestSwitchAlone: what others rely on is changed by nobody who is not alone.
func TestSwitchAlone(t *testing.T) {
	path := setting(t, "N")
	first, second := turnOn(t, path), turnOn(t, path)
	alone, err := first.Alone()
	require.NoError(t, err)
	assert.False(t, alone)
	require.NoError(t, second.Off())
	assert.Equal(t, "Y", value(t, path), "the first one still needs it")
	alone, err = first.Alone()
	require.NoError(t, err)
	assert.True(t, alone)
	require.NoError(t, first.Off())
	assert.Equal(t, "N", value(t, path))
}

// TestSwitchByMany: whoever has turned it on finds it on until the end.
func TestSwitchByMany(t *testing.T) {
	path := setting(t, "N")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				s, err := TurnOn(path)
				if !assert.NoError(t, err) {
					return
				}
				text, err := os.ReadFile(path)
				if !assert.NoError(t, err) || !assert.Equal(t, "Y", string(text)) || !assert.NoError(t, s.Off()) {
					return
				}
			}
		})
	}
	all.Wait()
	assert.Equal(t, "N", value(t, path))
}
