package memstore_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/memstore"
	"safetmp/memstore/memstoretest"
)

// setLimit sets a resource limit of the process for the rest of the test.
func setLimit(t *testing.T, resource int, bytes uint64) {
	t.Helper()
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(resource, &was))
	require.NoError(t, unix.Setrlimit(resource, &unix.Rlimit{Cur: min(bytes, was.Max), Max: was.Max}))
	t.Cleanup(func() { assert.NoError(t, unix.Setrlimit(resource, &was)) })
}

// withoutIPCLock runs do on a thread that lacks CAP_IPC_LOCK, as an ordinary user's does, with a limit of locked memory.
func withoutIPCLock(t *testing.T, limit uint64, do func()) {
	t.Helper()
	setLimit(t, unix.RLIMIT_MEMLOCK, limit)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if !assert.NoError(t, unix.Capget(&header, &data[0])) {
			return
		}
		data[unix.CAP_IPC_LOCK/32].Effective &^= 1 << (unix.CAP_IPC_LOCK % 32)
		if assert.NoError(t, unix.Capset(&header, &data[0])) {
			do()
		}
	}()
	<-done
}

func TestWholeArenaIsLockedWherePermitted(t *testing.T) {
	withoutIPCLock(t, 8*mib, func() {
		for _, mode := range []memstore.LockMode{memstore.LockTry, memstore.LockRequire} {
			s := memstoretest.New(t, memstore.Config{Limit: 4 * mib, Lock: mode, IdleSlabs: -1})
			u := s.Usage()
			assert.True(t, u.Locked, u.LockReason)
			assert.Empty(t, u.LockReason)
			assert.EqualValues(t, 4*mib, u.LockedBytes)
			assert.Zero(t, kernelView(t, s).rss, "locking makes nothing resident")
			b := s.NewBlob(0)
			write(t, b, pattern(3*mib), 0)
			assert.Equal(t, s.Usage().Resident, kernelView(t, s).locked, "what is there is locked")
			b.Free()
			s.Close() // gives its share of the limit to the next one
		}
	})
}

func TestLockedMemoryGoesBackToTheKernel(t *testing.T) {
	withoutIPCLock(t, 8*mib, func() {
		s := memstoretest.New(t, memstore.Config{Limit: 4 * mib, Lock: memstore.LockRequire, IdleSlabs: -1})
		for range 2 {
			b := s.NewBlob(0)
			write(t, b, pattern(3*mib), 0)
			assert.Equal(t, s.Usage().Resident, kernelView(t, s).locked)
			b.Free()
			eventually(t, func() bool { return s.Usage().Resident == 0 })
			assert.Zero(t, kernelView(t, s).rss)
		}
	})
}

func TestSlabsAreLockedOneByOneWhereAllIsTooMuch(t *testing.T) {
	withoutIPCLock(t, 5*mib, func() {
		s := memstoretest.New(t, memstore.Config{Limit: 64 * mib, IdleSlabs: -1})
		b := s.NewBlob(0)
		for range 2 {
			write(t, b, pattern(10*mib), 0)
			u := s.Usage()
			assert.False(t, u.Locked)
			assert.Contains(t, u.LockReason, "ulimit -l")
			assert.EqualValues(t, 2*memstore.SlabSize, u.LockedBytes, "what could be locked is counted")
			assert.Equal(t, u.LockedBytes, kernelView(t, s).locked)
			assert.NoError(t, b.Truncate(0))
			eventually(t, func() bool { return s.Usage().Resident == 0 })
		}
		b.Free()
	})
}

func TestRequiredLockThatIsRefusedFailsAtOnce(t *testing.T) {
	withoutIPCLock(t, 5*mib, func() {
		before := largeMappings(t)
		_, err := memstore.New(memstore.Config{Limit: 64 * mib, Lock: memstore.LockRequire})
		assert.ErrorIs(t, err, memstore.ErrNotLocked)
		assert.ErrorContains(t, err, "5242880 bytes, raise ulimit -l or grant CAP_IPC_LOCK")
		assert.Equal(t, before, largeMappings(t), "no range is left behind")
	})
	withoutIPCLock(t, 0, func() {
		_, err := memstore.New(memstore.Config{Limit: 64 * mib, Lock: memstore.LockRequire})
		assert.ErrorIs(t, err, memstore.ErrNotLocked)
	})
}

func TestNothingIsLockedWhenThatIsNotWanted(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 64 * mib, Lock: memstore.LockNever})
	write(t, newBlob(t, s), pattern(mib), 0)
	u := s.Usage()
	assert.False(t, u.Locked)
	assert.NotEmpty(t, u.LockReason)
	assert.Zero(t, u.LockedBytes)
	assert.Zero(t, kernelView(t, s).locked)
}

func TestKeysThatCannotBeLocked(t *testing.T) {
	withoutIPCLock(t, 64<<10, func() {
		before := largeMappings(t)
		for _, keys := range []memstore.KeyMemory{memstore.KeysLocked, memstore.KeysSecret} {
			_, err := memstore.New(memstore.Config{Limit: 64 * mib, Encrypt: true, Keys: keys})
			assert.ErrorIs(t, err, memstore.ErrNotLocked)
		}
		assert.Equal(t, before, largeMappings(t), "no range is left behind")
		s := memstoretest.New(t, memstore.Config{Limit: 64 * mib, Encrypt: true, Keys: memstore.KeysAnywhere})
		u := s.Usage()
		assert.True(t, u.Encrypted)
		assert.False(t, u.KeysLocked)
		assert.Contains(t, u.KeyMemory, "ulimit -l")
	})
}

// 8 MiB is what an ordinary user may usually lock: little beside a mount, enough for keys.
func TestKeysFitIntoTheUsualLimit(t *testing.T) {
	withoutIPCLock(t, 8*mib, func() {
		s := memstoretest.New(t, memstore.Config{Limit: 1 << 30, Encrypt: true, Lock: memstore.LockNever})
		assert.True(t, s.Usage().KeysLocked)
		b := s.NewBlob(0)
		write(t, b, pattern(3*mib), 0)
		assert.Zero(t, kernelView(t, s).locked, "contents are not locked")
		b.Free()
	})
}

// A kernel that refuses memory within the limit is a full store: the request fails, the rest goes on.
func TestKernelRefusesMemory(t *testing.T) {
	s := memstoretest.New(t, memstore.Config{Limit: 256 * mib, Lock: memstore.LockNever})
	b := newBlob(t, s)
	src := pattern(mib)
	write(t, b, src, 0)
	makeThreads()
	setLimit(t, unix.RLIMIT_DATA, dataSize(t)+64*mib) // the Go heap needs some of it
	err := b.Allocate(0, 200*mib, false)
	require.ErrorIs(t, err, memstore.ErrNoSpace)
	require.ErrorIs(t, err, unix.ENOMEM)
	assert.EqualValues(t, 256, b.Allocated(), "all or nothing")
	assert.EqualValues(t, mib, b.Size())
	require.NoError(t, s.Check())
	eventually(t, func() bool { return s.Usage().Resident <= (memstore.DefaultIdleSlabs+1)*memstore.SlabSize })
	setLimit(t, unix.RLIMIT_DATA, ^uint64(0))
	require.NoError(t, b.Allocate(0, 200*mib, false))
	assert.Equal(t, src, read(t, b, mib, 0))
}

// makeThreads has the runtime make the threads that it may want while there is no memory for their stacks, of which it dies. It
// keeps them.
func makeThreads() {
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 20e6}, nil) })
	}
	wg.Wait()
}

// dataSize returns VmData, what RLIMIT_DATA is held against (proc_pid_status(5)), in bytes.
func dataSize(t *testing.T) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(status), "VmData:")
	require.True(t, found)
	var kib uint64
	_, err = fmt.Sscanf(rest, "%d kB", &kib)
	require.NoError(t, err)
	return kib << 10
}

// largeMappings counts the mappings of the process that are as large as a store of 64 MiB.
func largeMappings(t *testing.T) (n int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	assert.NoError(t, err)
	for line := range strings.Lines(string(maps)) {
		var lo, hi uint64
		_, err := fmt.Sscanf(line, "%x-%x ", &lo, &hi)
		assert.NoError(t, err)
		if size := hi - lo; size == 64*mib || size == 66*mib {
			n++
		}
	}
	return n
}

// eventually is require.Eventually without its goroutine: the thread's capabilities matter here.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if !assert.True(t, time.Now().Before(end), "it never happened") {
			return
		}
	}
}
