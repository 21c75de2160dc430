package config

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
)

func TestSecrecyOptions(t *testing.T) {
	got, err := parse(fakeSystem(1000), "--encrypt=on", "--key-memory", "secret", "-o", "cache=direct,allow_swap")
	require.NoError(t, err)
	assert.Equal(t, EncryptOn, got.Encrypt)
	assert.Equal(t, CacheDirect, got.Cache)
	assert.True(t, got.AllowSwap)
	assert.True(t, got.Store().Encrypt)
	assert.Equal(t, memstore.KeysSecret, got.Store().Keys, "secret is meant whatever may be swapped")

	got, err = parse(fakeSystem(1000), "--encrypt=on", "--encrypt=auto", "--cache=auto", "--key-memory=auto")
	require.NoError(t, err)
	assert.Empty(t, got.Encrypt+got.Cache+got.KeyMemory, "the later one counts")
	assert.False(t, got.Store().Encrypt)
	assert.Equal(t, memstore.KeysLocked, got.Store().Keys)

	got, err = parse(fakeSystem(1000), "--allow-swap")
	require.NoError(t, err)
	assert.Equal(t, memstore.KeysAnywhere, got.Store().Keys)
	got, err = parse(fakeSystem(1000), "--allow-swap", "--key-memory=locked")
	require.NoError(t, err)
	assert.Equal(t, memstore.KeysLocked, got.Store().Keys)

	for _, args := range [][]string{{"--encrypt=yes"}, {"--encrypt="}, {"-o", "key_memory=heap"}, {"--cache=none"}, {"--encrypt=off", "--key-memory=secret"}} {
		_, err := parse(fakeSystem(1000), args...)
		var usage *UsageError
		assert.ErrorAs(t, err, &usage, "%v", args)
	}
}

func TestSwapPossible(t *testing.T) {
	const heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  bool
	}{
		{"a partition", map[string]string{"proc/swaps": heading + "/dev/sda2 partition 1000 0 -2\n"}, true},
		{"none", map[string]string{"proc/swaps": heading}, false},
		{"forbidden to the cgroup", map[string]string{
			"proc/swaps": heading + "/dev/sda2 partition 1000 0 -2\n", "proc/self/cgroup": "0::/a/b\n",
			"proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "sys/fs/cgroup/a/memory.swap.max": "0\n",
		}, false},
		{"allowed to the cgroup", map[string]string{
			"proc/swaps": heading + "/dev/sda2 partition 1000 0 -2\n", "proc/self/cgroup": "0::/a/b\n",
			"proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "sys/fs/cgroup/a/memory.swap.max": "max\n",
		}, true},
		{"a kernel without swap", map[string]string{"proc/meminfo": "MemTotal: 10 kB\nSwapTotal:             0 kB\n"}, false},
		{"hidden, and there is some", map[string]string{"proc/meminfo": "SwapTotal:             8 kB\n"}, true},
		{"nothing can be read", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range c.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			assert.Equal(t, c.want, SwapPossible(root))
		})
	}
}
