package sandbox

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// TestDescriptors: the command has 0, 1, 2 and what the caller left open for it, at the same numbers, and nothing of
// ours.
func TestDescriptors(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		t.Run("none", func(t *testing.T) {
			b := newBox(t, id)
			require.Zero(t, b.run("sh", "-c", "ls /proc/$$/fd; true"), b.errors())
			assert.Equal(t, "0\n1\n2\n", b.output())
		})
		t.Run("inherited", func(t *testing.T) {
			b := newBox(t, id)
			for i := range 3 {
				f, err := os.CreateTemp("/dev/shm", "sandbox-test-")
				require.NoError(t, err)
				t.Cleanup(func() { _ = f.Close(); _ = os.Remove(f.Name()) })
				_, err = fmt.Fprintf(f, "file %d\n", i+3)
				require.NoError(t, err)
				_, err = f.Seek(0, 0)
				require.NoError(t, err)
				b.files = append(b.files, f)
			}
			require.Zero(t, b.run("sh", "-c", "ls /proc/$$/fd; cat <&3; cat <&4; cat <&5"), b.errors())
			assert.Equal(t, "0\n1\n2\n3\n4\n5\nfile 3\nfile 4\nfile 5\n", b.output())
		})
	})
}

// TestInheritedPipeEnds: nobody but the command keeps the caller's descriptors open.
func TestInheritedPipeEnds(t *testing.T) {
	b := newBox(t, asUser())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	b.files = []*os.File{w}
	b.start("sh", "-c", "echo last >&3; exec 3>&-; echo closed; cat")
	require.NoError(t, w.Close())
	b.await("closed")
	require.NoError(t, unix.SetNonblock(int(r.Fd()), true))
	buf := make([]byte, 16)
	eventually(t, func() bool {
		n, err := unix.Read(int(r.Fd()), buf)
		return err == nil && n == 0
	}, func() string { return "the pipe is still open" })
	kill(t, b.cmd.Process.Pid, unix.SIGTERM)
	assert.Equal(t, 143, b.wait())
}

// TestProcesses: the command is in a pid namespace of its own and sees init and itself; neither can be looked into.
func TestProcesses(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		require.Zero(t, b.run("sh", "-c", `cd /proc; echo [0-9]*; echo $$ $PPID`), b.errors())
		lines := strings.Split(b.output(), "\n")
		require.Len(t, lines, 3, b.output())
		own, _, _ := strings.Cut(lines[1], " ")
		assert.Equal(t, []string{"1 " + own, own + " 1", ""}, lines)
	})
}

// TestNoWayIntoInit: the command has the uid of our processes, which must not be enough.
func TestNoWayIntoInit(t *testing.T) {
	b := newBox(t, identity{"user", max(os.Geteuid(), ordinary)})
	for _, attempt := range []string{"ls /proc/1/fd", "cat /proc/1/environ", "cat /proc/1/mem", "ls /proc/1/root/", "readlink -v /proc/1/exe"} {
		assert.NotZero(t, b.run("sh", "-c", attempt), attempt)
		assert.Contains(t, b.errors(), "ermission denied", attempt)
		b = newBox(t, b.id)
	}
	assert.Zero(t, b.run("sh", "-c", "kill -KILL 1; kill -STOP 1; kill -TERM 1; kill -INT 1; sleep 0; echo alive"), b.errors())
	assert.Equal(t, "alive\n", b.output())
}

// TestCapabilities: none in a user namespace of ours, whatever the command executes; as root, those of the caller.
func TestCapabilities(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		require.Zero(t, b.run("grep", "^Cap", "/proc/self/status"), b.errors())
		if id.uid == 0 {
			want, err := os.ReadFile("/proc/self/status")
			require.NoError(t, err)
			assert.Contains(t, string(want), b.output())
			return
		}
		for line := range strings.Lines(b.output()) {
			assert.Equal(t, "0000000000000000", strings.Fields(line)[1], line)
		}
		assert.Equal(t, 5, strings.Count(b.output(), "\n"), b.output())
	})
}

// TestCannotUncover: the covers cannot be taken away, not even in a user namespace that the command makes.
func TestCannotUncover(t *testing.T) {
	for _, attempt := range []string{
		"umount /tmp", "unshare -Ur umount /tmp", "unshare -Urm umount /tmp", "unshare -Urm mount --make-rshared /proc/1",
		"unshare -Urm umount -l /tmp", "mount -t tmpfs none /tmp",
	} {
		b := newBox(t, identity{"user", max(os.Geteuid(), ordinary)})
		assert.NotZero(t, b.run("sh", "-c", "touch /tmp/in; "+attempt+"; s=$?; ls /tmp/in || exit 0; exit $s"), "%s: %s", attempt, b.errors())
		assert.Equal(t, "/tmp/in\n", b.output(), attempt)
	}
}

// TestFolderHidden: the folder of the control sockets is empty and the command's own.
func TestFolderHidden(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		l, err := net.Listen("unix", filepath.Join(b.folder, "control"))
		require.NoError(t, err)
		defer l.Close()
		require.NoError(t, os.Chmod(filepath.Join(b.folder, "control"), 0o666))
		script := fmt.Sprintf("ls -A %[1]s; %[2]s test-connect %[1]s/control hello; echo >%[1]s/own && cat %[1]s/own", b.folder, b.helper())
		require.Zero(t, b.run("sh", "-c", script))
		assert.Equal(t, "\n", b.output())
		assert.Contains(t, b.errors(), "no such file or directory")
		assert.NoFileExists(t, filepath.Join(b.folder, "own"))
	})
}

// TestSockets: what --bind-socket names is the host's, at its own path, below a covered directory.
func TestSockets(t *testing.T) {
	asEach(t, func(t *testing.T, id identity) {
		b := newBox(t, id)
		cover := filepath.Join(b.dir, "cover")
		require.NoError(t, os.MkdirAll(filepath.Join(cover, "deep", "folder"), 0o755))
		b.call.Wish.Covers = []string{cover}
		b.call.Wish.Sockets = []string{filepath.Join(cover, "socket"), filepath.Join(cover, "deep", "folder")}
		said := make(chan string, 2)
		for _, path := range []string{filepath.Join(cover, "socket"), filepath.Join(cover, "deep", "folder", "x")} {
			l := listen(t, path, said)
			defer l.Close()
		}
		require.NoError(t, chownAll(b.dir, id.uid))
		helper := b.helper()
		script := fmt.Sprintf(`%[1]s test-connect %[2]s/socket one && %[1]s test-connect %[2]s/deep/folder/x two && ls -A %[2]s`, helper, cover)
		require.Zero(t, b.run("sh", "-c", script), b.errors())
		assert.Equal(t, "deep\nsocket\n", b.output())
		assert.ElementsMatch(t, []string{"one", "two"}, []string{<-said, <-said})
	})
}

// listen accepts one connection and passes on what it says.
func listen(t *testing.T, path string, said chan<- string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o666))
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 16)
		n, _ := c.Read(buf)
		said <- string(buf[:n])
	}()
	return l
}

func chownAll(dir string, uid int) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
}

// TestOldProc: where the kernel refuses a new /proc, since parts of the old one are masked, the command gets the old
// one and everything else holds.
func TestOldProc(t *testing.T) {
	hosttest.NeedRoot(t, "to mask a part of /proc")
	b := newBox(t, identity{"user", ordinary})
	front := b.front("sh", "-c", "echo $$; touch /tmp/x; ls /tmp; ls /proc/1/fd")
	front.SysProcAttr.Credential = nil
	script := fmt.Sprintf(`mount -t tmpfs none /proc/irq && exec setpriv --reuid %[1]d --regid %[1]d --clear-groups "$0" "$@"`, ordinary)
	front.Path = "/usr/bin/unshare"
	front.Args = append([]string{"unshare", "-m", "sh", "-c", script, b.helper()}, front.Args[1:]...)
	require.NoError(t, os.Chmod(b.dir, 0o755))
	err := front.Run()
	assert.Equal(t, 2, b.status(err), b.errors())
	assert.Contains(t, b.errors(), "note: the command sees the outer /proc: operation not permitted")
	assert.Contains(t, b.output(), "\nx\n")
	b.nothingLeft(hostMounts(t))
}

// TestNoUserNamespaces: the error says so, and what to do.
func TestNoUserNamespaces(t *testing.T) {
	hosttest.NeedRoot(t, "to forbid user namespaces in one of its own")
	b := newBox(t, identity{"user", ordinary})
	front := b.front("true")
	all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	front.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true}
	script := fmt.Sprintf(`echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --reuid %[1]d --regid %[1]d --clear-groups "$0" "$@"`, ordinary)
	front.Path = "/bin/sh"
	front.Args = append([]string{"sh", "-c", script, b.helper()}, front.Args[1:]...)
	require.NoError(t, os.Chmod(b.dir, 0o755))
	err := front.Run()
	assert.Equal(t, 125, b.status(err))
	assert.Contains(t, b.errors(), "error: user namespaces are not available: no space left on device\n")
	assert.Contains(t, b.errors(), "hint: sysctl user.max_user_namespaces is 0;")
}
