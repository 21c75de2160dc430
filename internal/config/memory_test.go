package config

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// machine is a root directory with the given files.
func machine(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:        8388608 kB\nMemFree:  1 kB\n")}}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

const (
	v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = "34 30 0:31 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
)

func TestReadMemory(t *testing.T) {
	const gib = 1 << 30
	cases := []struct {
		name   string
		files  map[string]string
		limit  int64
		usable int64
	}{
		{"no cgroups", nil, 0, 8 * gib},
		{"own limit", map[string]string{
			"proc/self/mountinfo": v2Mount, "proc/self/cgroup": "0::/user.slice/a\n",
			"sys/fs/cgroup/user.slice/a/memory.max": "1073741824\n", "sys/fs/cgroup/user.slice/memory.max": "max\n",
		}, gib, gib},
		{"ancestor is tighter", map[string]string{
			"proc/self/mountinfo": v2Mount, "proc/self/cgroup": "0::/a/b/c\n",
			"sys/fs/cgroup/a/b/c/memory.max": "4294967296", "sys/fs/cgroup/a/b/memory.max": "max", "sys/fs/cgroup/a/memory.max": "2147483648",
		}, 2 * gib, 2 * gib},
		{"limit above RAM", map[string]string{
			"proc/self/mountinfo": v2Mount, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "17179869184",
		}, 16 * gib, 8 * gib},
		{"namespaced: the root of the mount is our cgroup", map[string]string{
			"proc/self/mountinfo": v2Mount, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824",
		}, gib, gib},
		{"mounted part of the hierarchy", map[string]string{
			"proc/self/mountinfo": "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"proc/self/cgroup":    "0::/docker/x/y\n", "sys/fs/cgroup/y/memory.max": "1073741824",
		}, gib, gib},
		{"cgroup outside the namespace", map[string]string{
			"proc/self/mountinfo": v2Mount, "proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "1073741824",
		}, gib, gib},
		{"version 1", map[string]string{
			"proc/self/mountinfo": v1Mount, "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/job\n0::/\n",
			"sys/fs/cgroup/memory/job/memory.limit_in_bytes": "1073741824", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
		}, gib, gib},
		{"nonsense in files", map[string]string{
			"proc/self/mountinfo": "x\n" + v2Mount + " - \n - cgroup2 x x\n", "proc/self/cgroup": "x\n::\n0::/a\n", "sys/fs/cgroup/a/memory.max": "-5",
		}, 0, 8 * gib},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := readMemory(machine(c.files))
			require.NoError(t, err)
			assert.Equal(t, Memory{RAM: 8 * gib, Limit: c.limit}, got)
			assert.Equal(t, c.usable, got.Usable())
		})
	}
}

func TestReadMemoryFails(t *testing.T) {
	for _, text := range []string{"", "MemFree: 1 kB\n", "MemTotal: x kB\n", "MemTotal: 0 kB\n", "MemTotal: 99999999999999999999 kB\n"} {
		root := machine(map[string]string{"proc/meminfo": text})
		_, err := readMemory(root)
		assert.Error(t, err, text)
	}
	_, err := readMemory(fstest.MapFS{})
	assert.Error(t, err)
}

func TestHostSystem(t *testing.T) {
	system := HostSystem()
	memory, err := system.Memory()
	require.NoError(t, err)
	assert.Greater(t, memory.Usable(), int64(1<<20))
	id, ok := system.UserID("root")
	assert.True(t, ok)
	assert.Zero(t, id)
	_, ok = system.UserID("no such user")
	assert.False(t, ok)
	gid, ok := system.PrimaryGroup(0)
	assert.True(t, ok)
	assert.Zero(t, gid)
}
