package fuseconn

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/fs"
	"safetmp/memstore"
	"safetmp/policy"
)

// newFS makes a small filesystem that is checked and closed at the end.
func newFS(t testing.TB) *fs.FS {
	t.Helper()
	p, err := policy.Build("posix")
	require.NoError(t, err)
	store, err := memstore.New(memstore.Config{Limit: 32 << 20, Inodes: 1000, IdleSlabs: 1})
	require.NoError(t, err)
	namer, err := policy.NewNamer(rand.Reader, "")
	require.NoError(t, err)
	f, err := fs.New(fs.Options{Policy: p, Store: store, Namer: namer, RootMode: 0700})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, f.Check())
		f.Close()
		assert.NoError(t, store.Check())
		store.Close()
	})
	return f
}

// pair is a connection whose other end the test holds in the kernel's place: a
// socket that keeps message boundaries, as the device does.
func pair(t *testing.T) (*Conn, int, *bytes.Buffer) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetsockoptTimeval(fds[1], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
	var log bytes.Buffer
	c, err := New(os.NewFile(uintptr(fds[0]), "kernel"), newFS(t), slog.New(slog.NewTextHandler(&log, nil)), Auto)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = unix.Close(fds[1])
		c.freeReaders()
		_ = c.dev.Close()
	})
	return c, fds[1], &log
}

// message builds a request: header, op struct, payload.
func message(op uint32, unique, nodeid uint64, rest ...[]byte) []byte {
	body := bytes.Join(rest, nil)
	h := fuse.InHeader{Length: uint32(40 + len(body)), Opcode: op, Unique: unique, NodeId: nodeid, Caller: fuse.Caller{Pid: 1}}
	return append(bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&h)), 40)), body...)
}

func initMessage(major, minor uint32, flags uint32) []byte {
	body := make([]byte, 64)
	for i, v := range []uint32{major, minor, 128 << 10, flags} {
		binary.NativeEndian.PutUint32(body[4*i:], v)
	}
	return message(opInit, 1, 0, body)
}

func reply(t *testing.T, fd int) (fuse.OutHeader, []byte) {
	t.Helper()
	buf := make([]byte, MaxWrite+headroom)
	n, err := unix.Read(fd, buf)
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, outHeaderSize)
	h := *(*fuse.OutHeader)(unsafe.Pointer(&buf[0]))
	require.EqualValues(t, n, h.Length)
	return h, buf[outHeaderSize:n]
}

func send(t *testing.T, fd int, msg []byte) {
	t.Helper()
	_, err := unix.Write(fd, msg)
	require.NoError(t, err)
}

func TestInit(t *testing.T) {
	t.Run("negotiates", func(t *testing.T) {
		c, kernel, _ := pair(t)
		send(t, kernel, initMessage(7, 31, fuse.CAP_READDIRPLUS|fuse.CAP_POSIX_ACL|fuse.CAP_MAX_PAGES))
		require.NoError(t, c.Init())
		h, body := reply(t, kernel)
		assert.Zero(t, h.Status)
		out := (*fuse.InitOut)(unsafe.Pointer(&body[0]))
		assert.EqualValues(t, 31, out.Minor, "never newer than the kernel's")
		assert.EqualValues(t, MaxWrite, out.MaxWrite)
		assert.EqualValues(t, fuse.CAP_READDIRPLUS|fuse.CAP_MAX_PAGES, out.Flags, "only what was offered and wanted")
	})
	t.Run("too old", func(t *testing.T) {
		c, kernel, _ := pair(t)
		send(t, kernel, initMessage(7, 27, 0))
		require.ErrorIs(t, c.Init(), ErrProtocol)
		h, _ := reply(t, kernel)
		assert.EqualValues(t, -int32(unix.EPROTO), h.Status)
	})
	t.Run("not INIT", func(t *testing.T) {
		c, kernel, _ := pair(t)
		send(t, kernel, message(opGetattr, 1, 1, make([]byte, 80)))
		require.Error(t, c.Init())
	})
}

func TestMalformedAndUnknownRequests(t *testing.T) {
	c, _, _ := pair(t)
	out := make([]byte, MaxWrite+headroom)
	for _, tc := range []struct {
		name string
		msg  []byte
		want fuse.Status
	}{
		{"unknown opcode", message(63, 7, 1), fuse.ENOSYS},
		{"opcode beyond the table", message(4096, 7, 1), fuse.ENOSYS},
		{"interrupt", message(36, 7, 1, make([]byte, 8)), fuse.ENOSYS},
		{"lookup without a NUL", message(opLookup, 7, 1, []byte("abc")), fuse.EINVAL},
		{"lookup without a name", message(opLookup, 7, 1), fuse.EINVAL},
		{"short getattr", message(opGetattr, 7, 1, make([]byte, 3)), fuse.EINVAL},
		{"short create", message(opCreate, 7, 1, make([]byte, 3)), fuse.EINVAL},
		{"write of more than it carries", message(opWrite, 7, 1, words(0, 0, 0, 0, 100), make([]byte, 60)), fuse.EINVAL},
		{"rename with one name", message(opRename, 7, 1, words(1, 0), []byte("a\x00b")), fuse.EINVAL},
		{"symlink with one name", message(opSymlink, 7, 1, []byte("a\x00")), fuse.EINVAL},
		{"setxattr of more than it carries", message(opSetxattr, 7, 1, words(100, 0), []byte("user.a\x00xx")), fuse.EINVAL},
		{"stale nodeid", message(opGetattr, 7, 99, make([]byte, 16)), fuse.Status(unix.ESTALE)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := c.handle(request{head: tc.msg}, out)
			require.Len(t, got, outHeaderSize)
			h := (*fuse.OutHeader)(unsafe.Pointer(&got[0]))
			assert.Equal(t, tc.want, fuse.Status(-h.Status))
			assert.EqualValues(t, 7, h.Unique)
		})
	}
	assert.Nil(t, c.handle(request{head: []byte("short")}, out))
	assert.Nil(t, c.handle(request{head: message(opForget, 7, 1)}, out), "FORGET has no reply, however short")
	assert.Nil(t, c.handle(request{head: message(opBatchForget, 7, 1, words(1000, 0))}, out))
}

func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

// serving starts the readers of a connection.
func serving(t *testing.T) (*Conn, int) {
	t.Helper()
	c, kernel, _ := pair(t)
	send(t, kernel, initMessage(7, 40, 0))
	require.NoError(t, c.Init())
	reply(t, kernel)
	return c, kernel
}

// createFile makes a file by MKNOD and returns its nodeid.
func createFile(t *testing.T, c *Conn, name string) uint64 {
	t.Helper()
	out := make([]byte, 4096)
	got := c.handle(request{head: message(opMknod, 5, 1, words(0100600, 0, 0, 0), append([]byte(name), 0))}, out)
	h := (*fuse.OutHeader)(unsafe.Pointer(&got[0]))
	require.Zero(t, h.Status)
	return (*fuse.EntryOut)(unsafe.Pointer(&got[outHeaderSize])).NodeId
}

// Contents pass through the buffers of a reader, which are overwritten before it
// reads on.
func TestBuffersAreOverwritten(t *testing.T) {
	c, kernel := serving(t)
	secret := bytes.Repeat([]byte("marker-7c1f"), 1000)
	node := createFile(t, c, "f")
	r := c.readers[0]
	request := message(opWrite, 8, node, words(0, 0, 0, 0, uint32(len(secret)), 0, 0, 0, 0, 0), secret)
	serveOne := func(msg []byte) []byte {
		copy(r.in.bytes, msg)
		require.True(t, bytes.Contains(r.in.bytes, msg), "the request is in the buffer")
		c.serve(r, len(msg))
		h, body := reply(t, kernel)
		require.Zero(t, h.Status)
		return body
	}
	serveOne(request)
	body := serveOne(message(opRead, 9, node, words(0, 0, 0, 0, uint32(len(secret)), 0, 0, 0, 0, 0)))
	require.Equal(t, secret, body, "the marker went through the reply buffer")
	assert.False(t, bytes.Contains(r.in.bytes, []byte("marker")))
	assert.False(t, bytes.Contains(r.out.bytes, []byte("marker")))
	value := []byte("marker-in-an-attribute")
	serveOne(message(opSetxattr, 10, node, words(uint32(len(value)), 0), []byte("user.a\x00"), value))
	require.Equal(t, value, serveOne(message(opGetxattr, 11, node, words(100, 0), []byte("user.a\x00"))))
	assert.False(t, bytes.Contains(r.in.bytes, []byte("marker")))
	assert.False(t, bytes.Contains(r.out.bytes, []byte("marker")))
}

func TestPanicInOneRequestIsEIOForThatRequest(t *testing.T) {
	c, _, log := pair(t)
	saved := handlers[opStatfs]
	handlers[opStatfs] = func(*fs.FS, request, []byte) (int, fuse.Status) { panic("secret contents") }
	t.Cleanup(func() { handlers[opStatfs] = saved })
	out := make([]byte, 4096)
	got := c.handle(request{head: message(opStatfs, 7, 1)}, out)
	assert.Equal(t, fuse.EIO, fuse.Status(-(*fuse.OutHeader)(unsafe.Pointer(&got[0])).Status))
	assert.Contains(t, log.String(), "stack=")
	assert.NotContains(t, log.String(), "secret contents")
	got = c.handle(request{head: message(opGetattr, 8, 1, make([]byte, 16))}, out)
	assert.Zero(t, (*fuse.OutHeader)(unsafe.Pointer(&got[0])).Status, "the connection goes on")
}

func TestStopDrains(t *testing.T) {
	c, kernel := serving(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	saved := handlers[opStatfs]
	handlers[opStatfs] = func(*fs.FS, request, []byte) (int, fuse.Status) { close(entered); <-leave; return 0, fuse.OK }
	t.Cleanup(func() { handlers[opStatfs] = saved })
	require.NoError(t, c.Serve())
	send(t, kernel, message(opStatfs, 7, 1))
	<-entered
	stopped := make(chan struct{})
	go func() { c.Stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("Stop returned while a request was under way")
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	<-stopped
	h, _ := reply(t, kernel)
	assert.EqualValues(t, 7, h.Unique)
	send(t, kernel, message(opGetattr, 8, 1, make([]byte, 16)))
	h, _ = reply(t, kernel)
	assert.Equal(t, fuse.Status(unix.ENODEV), fuse.Status(-h.Status), "later requests are not handled")
	require.NoError(t, unix.Shutdown(kernel, unix.SHUT_RDWR))
	<-c.Done()
}

func TestNotifications(t *testing.T) {
	c, kernel := serving(t)
	c.incEpoch()
	h, body := reply(t, kernel)
	assert.EqualValues(t, notifyIncEpoch, h.Status)
	assert.Zero(t, h.Unique)
	assert.Empty(t, body)
	c.write(invalEntry(42, "name"))
	h, body = reply(t, kernel)
	assert.EqualValues(t, notifyInvalEntry, h.Status)
	assert.Equal(t, append(words(42, 0, 4, 0), "name\x00"...), body)
	c.write(invalInode(42, 0))
	h, body = reply(t, kernel)
	assert.EqualValues(t, notifyInvalInode, h.Status)
	assert.Equal(t, words(42, 0, 0, 0, 0, 0), body, "from the start to the end")
	c.invalAttr(42)
	h, body = reply(t, kernel)
	assert.EqualValues(t, notifyInvalInode, h.Status)
	assert.Equal(t, words(42, 0, ^uint32(0), ^uint32(0), 0, 0), body, "no page at all")
}
