package mount

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// The filesystems of these tests are mounted and never served: whatever looked into them would hang.

const nobody = 65534

// exitError is what a helper that fails gives.
var exitError = exec.ExitError{ProcessState: &os.ProcessState{}}

// mountAs makes the test binary mount as an ordinary user; see mountOnce.
const mountAs = "MOUNT_TEST_SPEC"

func TestMain(m *testing.M) {
	if spec := os.Getenv(mountAs); spec != "" {
		os.Exit(mountOnce(spec))
	}
	code := m.Run()
	if left, _ := Entries(); code == 0 && len(left) > 0 && strings.Contains(fmt.Sprint(left), "TestMount") {
		fmt.Fprintln(os.Stderr, "mounts left behind:", left)
		code = 1
	}
	os.Exit(code)
}

// mountOnce is the body of the unprivileged process: it mounts, prints the entry, unmounts, and prints errors.
func mountOnce(spec string) int {
	var s Spec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		fmt.Println(err)
		return 1
	}
	m, err := Mount(s)
	if err != nil {
		fmt.Println(err)
		return codeOf(err)
	}
	fmt.Printf("%+v cloexec=%v\n", m.Entry, isCloseOnExec(m.Dev))
	if err := Unmount(m.Entry); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func codeOf(err error) int {
	for i, sentinel := range []error{ErrNotPermitted, ErrNoHelper, ErrNoDevice} {
		if strings.Contains(err.Error(), sentinel.Error()) {
			return 10 + i
		}
	}
	return 1
}

func isCloseOnExec(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC != 0
}

// need skips, or under CI fails, a test whose means are missing.
func need(t *testing.T, have bool, what string) {
	t.Helper()
	if !have {
		hosttest.Missing(t, "needs %s", what)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	need(t, hasSysAdmin(), "the right to mount")
	_, err := os.Stat(deviceFile)
	need(t, err == nil, deviceFile)
}

// mountHere mounts on a fresh directory below dir and unmounts at the end.
func mountHere(t *testing.T, s Spec) *Mounted {
	t.Helper()
	m, err := Mount(s)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = m.Dev.Close()
		_ = Detach(m.Entry) // the test may have unmounted
	})
	return m
}

func TestMountAndUnmount(t *testing.T) {
	needRoot(t)
	dir := filepath.Join(t.TempDir(), "a b\tc\nd\\040e")
	require.NoError(t, os.Mkdir(dir, 0o700))
	m := mountHere(t, Spec{Mountpoint: dir, Source: "safetmp", UID: 1000, GID: 100, NoExec: true, NoSymfollow: true, MaxRead: 1 << 20})
	assert.True(t, m.NoSUID)
	assert.True(t, m.NoDev)
	assert.True(t, m.NoExec)
	assert.True(t, m.NoSymfollow)
	assert.False(t, m.Shared)
	assert.EqualValues(t, 1000, m.OwnerUID)
	assert.Equal(t, "safetmp", m.Source)
	assert.True(t, isCloseOnExec(m.Dev))
	flags, err := unix.FcntlInt(m.Dev.Fd(), unix.F_GETFL, 0)
	require.NoError(t, err)
	assert.Zero(t, flags&unix.O_NONBLOCK, "readers block")

	found, err := Find(dir)
	require.NoError(t, err)
	assert.Equal(t, m.Entry, found)
	_, err = Mount(Spec{Mountpoint: dir, Source: "safetmp"})
	require.ErrorIs(t, err, ErrAlreadyMounted)

	require.NoError(t, Unmount(m.Entry))
	_, err = Find(dir)
	require.ErrorIs(t, err, ErrNotSafetmp)
	require.ErrorIs(t, Unmount(m.Entry), ErrNotSafetmp)
}

func TestMountChecksTheMountpoint(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for path, want := range map[string]error{
		filepath.Join(dir, "none"):      ErrNoMountpoint,
		file:                            ErrNotDirectory,
		dir:                             ErrNotEmpty,
		filepath.Join(file, "x"):        ErrNotDirectory,
		filepath.Join(dir, "none", "x"): ErrNoMountpoint,
	} {
		_, err := Mount(Spec{Mountpoint: path, Source: "safetmp"})
		require.ErrorIs(t, err, want, path)
		assert.Contains(t, err.Error(), path)
	}
}

func TestMountBehindALink(t *testing.T) {
	needRoot(t)
	base := t.TempDir()
	real, link := filepath.Join(base, "real"), filepath.Join(base, "link")
	require.NoError(t, os.Mkdir(real, 0o700))
	require.NoError(t, os.Symlink(real, link))
	m := mountHere(t, Spec{Mountpoint: link, Source: "safetmp"})
	assert.Equal(t, real, m.Mountpoint, "the link is resolved")
	found, err := Find(link)
	require.NoError(t, err)
	assert.Equal(t, m.Entry, found)
}

func TestMountSwappedUnderACheck(t *testing.T) {
	needRoot(t)
	base := t.TempDir()
	checked, other := filepath.Join(base, "checked"), filepath.Join(base, "other")
	require.NoError(t, os.Mkdir(checked, 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(other, "full"), 0o700))
	target, err := openTarget(checked)
	require.NoError(t, err)
	defer target.close()
	require.NoError(t, unix.Renameat2(unix.AT_FDCWD, checked, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE))
	dev, err := attachDirectly(Spec{Source: "safetmp"}, target)
	require.NoError(t, err)
	defer dev.Close()
	moved, err := Find(other)
	require.NoError(t, err, "the directory that was checked is mounted on, wherever it is now")
	defer func() { require.NoError(t, Unmount(moved)) }()
	_, err = Find(checked)
	assert.ErrorIs(t, err, ErrNotSafetmp)
}

func TestUnmountLeavesAnotherMountAlone(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	first := mountHere(t, Spec{Mountpoint: dir, Source: "first"})
	require.NoError(t, Unmount(first.Entry))
	second := mountHere(t, Spec{Mountpoint: dir, Source: "second"})
	stale := first.Entry
	stale.Device.Minor ^= 1 << 19 // device numbers are reused
	require.ErrorIs(t, Unmount(stale), ErrNotSafetmp)
	require.ErrorIs(t, ForceDetach(stale), ErrNotSafetmp)
	found, err := Find(dir)
	require.NoError(t, err)
	assert.Equal(t, second.Entry, found)
}

func TestHoldersOfAMountThatHangs(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	m := mountHere(t, Spec{Mountpoint: dir, Source: "safetmp"})
	// Opened as a place only, which does not ask the daemon either.
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	sleeper := exec.Command("sleep", "60")
	place := os.NewFile(uintptr(fd), dir)
	sleeper.ExtraFiles = []*os.File{place}
	require.NoError(t, sleeper.Start())
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
	require.NoError(t, place.Close())

	require.ErrorIs(t, Unmount(m.Entry), unix.EBUSY)
	holders := Holders(m.Entry)
	require.Len(t, holders, 1)
	assert.Equal(t, Holder{PID: sleeper.Process.Pid, Command: "sleep", Path: dir, Use: "open file"}, holders[0])
	require.NoError(t, ForceDetach(m.Entry))
	_, err = Find(dir)
	require.ErrorIs(t, err, ErrNotSafetmp)
	buf := make([]byte, 64<<10) // below 8 KiB the kernel says EINVAL before it looks (FUSE_MIN_READ_BUFFER)
	_, err = m.Dev.Read(buf)
	assert.ErrorIs(t, err, unix.ENODEV, "the connection is aborted")
}

func TestMountsInsideAreHolders(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	m := mountHere(t, Spec{Mountpoint: dir, Source: "safetmp"})
	// On the root itself: the only place of a filesystem that answers nothing.
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=4k"))
	holders := Holders(m.Entry)
	require.NoError(t, unix.Unmount(dir, 0))
	require.NotEmpty(t, holders)
	assert.Equal(t, Holder{Command: "tmpfs", Path: dir, Use: "mount"}, holders[0])
}

// runAsNobody mounts in an unprivileged process and returns what it printed and its exit code.
func runAsNobody(t *testing.T, s Spec, env ...string) (string, int) {
	t.Helper()
	spec, err := json.Marshal(s)
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(env, mountAs+"="+string(spec))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, "%v", err)
	return string(out), cmd.ProcessState.ExitCode()
}

// dirOfNobody makes a directory that fusermount3 lets nobody mount on.
func dirOfNobody(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chown(dir, nobody, nobody))
	return dir
}

func TestMountByHelper(t *testing.T) {
	needRoot(t)
	_, err := exec.LookPath(helperName)
	need(t, err == nil, helperName+" (package fuse3)")
	dir := dirOfNobody(t)
	said, code := runAsNobody(t, Spec{Mountpoint: dir, Source: "safetmp", UID: nobody, GID: nobody, NoExec: true, NoSymfollow: true, MaxRead: 1 << 17}, "PATH=/usr/bin:/bin")
	require.Zero(t, code, said)
	for _, part := range []string{"Mountpoint:" + dir, fmt.Sprintf("OwnerUID:%d", nobody), "NoSUID:true", "NoDev:true", "NoExec:true", "Source:safetmp", "cloexec=true"} {
		assert.Contains(t, said, part)
	}
	_, err = Find(dir)
	assert.ErrorIs(t, err, ErrNotSafetmp, "unmounted again")
}

func TestHelperRefusals(t *testing.T) {
	needRoot(t)
	_, err := exec.LookPath(helperName)
	need(t, err == nil, helperName+" (package fuse3)")
	roots := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(roots), 0o755))
	require.NoError(t, os.Chmod(roots, 0o755))
	said, code := runAsNobody(t, Spec{Mountpoint: roots, Source: "safetmp"}, "PATH=/usr/bin:/bin")
	assert.Equal(t, codeOf(ErrNotPermitted), code, said)
	if !strings.Contains(readFile(helperConfig), "\nuser_allow_other") {
		said, code = runAsNobody(t, Spec{Mountpoint: dirOfNobody(t), Source: "safetmp", Shared: true}, "PATH=/usr/bin:/bin")
		assert.Equal(t, codeOf(ErrNotPermitted), code, said)
		assert.Contains(t, said, "administrator")
	}
}

func readFile(name string) string {
	text, _ := os.ReadFile(name)
	return string(text)
}
