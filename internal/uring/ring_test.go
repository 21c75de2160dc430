package uring

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// newRing makes a ring of one eventfd on the thread of the test.
func newRing(t *testing.T) (*Ring, int) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	r, err := New(3, fd)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		if hosttest.InCI() && os.Geteuid() == 0 {
			require.NoError(t, err)
		}
		t.Skip("no io_uring here: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r, fd
}

func signal(t *testing.T, fd int) {
	t.Helper()
	_, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	require.NoError(t, err)
}

func TestLayout(t *testing.T) {
	assert.EqualValues(t, slotSize, unsafe.Sizeof(Operation{}))
	assert.EqualValues(t, 120, unsafe.Sizeof(params{}))
	assert.EqualValues(t, 16, unsafe.Sizeof(completion{}))
	assert.EqualValues(t, 16, unsafe.Sizeof(restriction{}))
	assert.EqualValues(t, 24, unsafe.Sizeof(waitArgument{}))
	assert.EqualValues(t, 48, unsafe.Offsetof(Operation{}.payload))
}

// More operations than the queue has places go through it, one after the other.
func TestPollGoesRound(t *testing.T) {
	r, fd := newRing(t)
	for i := uint64(100); i < 120; i++ {
		r.Push(Poll(0, i))
		require.NoError(t, r.Submit())
		assert.False(t, r.Completed(i))
		signal(t, fd)
		require.NoError(t, r.Wait())
		assert.True(t, r.Completed(i))
		data, result, ok := r.Pop()
		require.True(t, ok)
		assert.Equal(t, i, data)
		assert.EqualValues(t, 1, result&1, "readable")
		_, _, ok = r.Pop()
		assert.False(t, ok)
		_, err := unix.Read(fd, make([]byte, 8))
		require.NoError(t, err)
	}
}

func TestWaitForEnds(t *testing.T) {
	r, _ := newRing(t)
	r.Push(Poll(0, 1))
	begun := time.Now()
	require.NoError(t, r.WaitFor(20*time.Millisecond))
	assert.GreaterOrEqual(t, time.Since(begun), 20*time.Millisecond)
	assert.Zero(t, r.pushed, "handed over all the same")
}

// A wait is woken from another thread, and lets the others run meanwhile, the
// garbage collector included.
func TestWaitIsWoken(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r, fd := newRing(t)
	r.Push(Poll(0, 1))
	go func() {
		time.Sleep(10 * time.Millisecond)
		runtime.GC()
		_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}()
	for !r.Completed(1) {
		require.NoError(t, r.Wait())
	}
}

// Whoever gets hold of a ring can do nothing else with it.
func TestRestricted(t *testing.T) {
	r, fd := newRing(t)
	for name, op := range map[string]Operation{
		"openat":       {opcode: 18, file: -100},
		"read":         {opcode: 22},
		"socket":       {opcode: 45},
		"no operation": {opcode: 0},
	} {
		r.Push(&op)
		require.NoError(t, r.Submit())
		_, result, ok := r.Pop()
		require.True(t, ok, name)
		assert.Equal(t, -int32(unix.EACCES), result, name)
	}
	r.Push(Poll(0, 1))
	(*Operation)(unsafe.Pointer(&r.slots[int((*r.sqTail-1)&r.mask)*slotSize])).flags = 0 // a descriptor, not a registered file
	require.NoError(t, r.Submit())
	_, result, ok := r.Pop()
	require.True(t, ok)
	assert.Equal(t, -int32(unix.EACCES), result)
	fds := []int32{int32(fd)}
	assert.ErrorIs(t, r.register(registerFiles, unsafe.Pointer(&fds[0]), 1), unix.EACCES)
}

// No other thread can use it, so that the kernel touches buffers only within
// the calls of the one that owns them.
func TestBelongsToItsThread(t *testing.T) {
	r, _ := newRing(t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- r.WaitFor(time.Millisecond)
	}()
	assert.ErrorIs(t, <-done, unix.EEXIST)
}

func TestPushAllocatesNothing(t *testing.T) {
	r, fd := newRing(t)
	signal(t, fd)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r.Push(Poll(0, 1))
		_ = r.Wait()
		r.Pop()
	}))
}

func TestRefusalIsTold(t *testing.T) {
	var none unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &none))
	saved := none
	none.Cur = 3
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	_, err := New(3, 0)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &saved))
	var errno syscall.Errno
	require.ErrorAs(t, err, &errno)
}
