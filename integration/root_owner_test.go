//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// accesses is what root sees of permission bits in dir, by what it did.
func accesses(t *testing.T, dir string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	for _, mode := range []uint32{0, 0o100, 0o200, 0o400, 0o500, 0o600, 0o700} {
		file, folder := filepath.Join(dir, fmt.Sprintf("f%o", mode)), filepath.Join(dir, fmt.Sprintf("d%o", mode))
		require.NoError(t, tryOpen(file, unix.O_CREAT|unix.O_WRONLY, 0o600))
		require.NoError(t, unix.Mkdir(folder, 0o700))
		require.NoError(t, unix.Chmod(file, mode))
		require.NoError(t, unix.Chmod(folder, mode))
		for name, err := range map[string]error{
			"read":         tryOpen(file, unix.O_RDONLY, 0),
			"write":        tryOpen(file, unix.O_WRONLY|unix.O_TRUNC, 0),
			"truncate":     unix.Truncate(file, 10),
			"access R":     unix.Access(file, unix.R_OK),
			"access W":     unix.Access(file, unix.W_OK),
			"access X":     unix.Access(file, unix.X_OK),
			"access F":     unix.Access(file, unix.F_OK),
			"access RX":    unix.Access(file, unix.R_OK|unix.X_OK),
			"access dir X": unix.Access(folder, unix.X_OK),
			"access dir W": unix.Access(folder, unix.W_OK),
			"chdir":        unix.Chdir(folder),
			"chdir file":   unix.Chdir(file),
			"list":         listNames(folder),
			"create in":    tryOpen(folder+"/new", unix.O_CREAT|unix.O_WRONLY, 0o600),
			"execute":      execErrno(file),
		} {
			seen[fmt.Sprintf("%s %o", name, mode)] = errname(err)
		}
		require.NoError(t, unix.Chdir("/"))
		require.NoError(t, unix.Chmod(folder, 0o700))
		require.NoError(t, os.RemoveAll(folder))
		require.NoError(t, os.Remove(file))
	}
	return seen
}

func listNames(dir string) error {
	_, err := os.ReadDir(dir)
	return err
}

// execErrno says whether the kernel would execute a file: one that is no
// program is ENOEXEC if it may be executed.
func execErrno(path string) error {
	_, err := os.StartProcess(path, []string{path}, &os.ProcAttr{})
	return err
}

// withoutOverride takes from the calling thread what lets root ignore
// permission bits.
func withoutOverride() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	return unix.Capset(&header, &data[0])
}

// TestRootOwner: on root's own private mount the kernel does not check
// permission bits, and root sees what it sees on tmpfs.
func TestRootOwner(t *testing.T) {
	needRoot(t)
	become(t, root)
	oracle := mountOracle(t, 0o700, "uid=0,gid=0")
	want := accesses(t, oracle)
	assert.Equal(t, "ok", want["write 0"])
	assert.Equal(t, "EACCES", want["access X 600"])
	assert.Equal(t, "EACCES", want["execute 600"])
	for name, words := range map[string]string{"default": "mode=700", "default_permissions": "default_permissions"} {
		t.Run(name, func(t *testing.T) {
			become(t, root)
			m := mountTest(t, mountedBy(root), options(words))
			assert.Equal(t, want, accesses(t, m.dir), "in the root")
			below := filepath.Join(m.dir, "below")
			require.NoError(t, os.Mkdir(below, 0o700))
			assert.Equal(t, want, accesses(t, below), "below")
		})
	}
}

// TestRootOwnerWithoutOverride: a process of root that lost the right to ignore
// permission bits is bound by them as on tmpfs where the mount was asked to.
func TestRootOwnerWithoutOverride(t *testing.T) {
	needRoot(t)
	seen := map[string]map[string]string{}
	for name, mount := range map[string]func(t *testing.T) string{
		"tmpfs":   func(t *testing.T) string { return mountOracle(t, 0o700, "uid=0,gid=0") },
		"unasked": func(t *testing.T) string { return mountTest(t, mountedBy(root)).dir },
		"asked for": func(t *testing.T) string {
			return mountTest(t, mountedBy(root), options("default_permissions")).dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			become(t, root)
			dir := mount(t)
			result := make(chan map[string]string, 1)
			go func() {
				defer close(result)
				if assert.NoError(t, hosttest.Become(root)) && assert.NoError(t, withoutOverride()) {
					result <- accesses(t, dir)
				}
			}()
			seen[name] = <-result
		})
	}
	assert.Equal(t, "EACCES", seen["tmpfs"]["write 0"], "the right was taken")
	assert.Equal(t, seen["tmpfs"], seen["asked for"])
	assert.Equal(t, "ok", seen["unasked"]["write 0"], "the difference that docs/operations.md tells of")
}
