package fuseconn

import (
	"os"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
	"safetmp/internal/uring"
)

// answerBound is how long a step of a connection may take that must not hang.
const answerBound = 10 * time.Second

// needRings skips where io_uring is kept from us.
func needRings(t *testing.T) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	ring, err := uring.New(2, int(null.Fd()))
	if err != nil {
		t.Skip("no io_uring here: ", err)
	}
	ring.Close()
}

// within fails the test unless do returns in time.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(answerBound):
		require.Fail(t, "a hang", what)
	}
}

// TestRingsRefusedAfterInit: the kernel offers rings, INIT agrees, and then the
// kernel refuses every buffer, as a socket in its place does. Requests come by
// read(2) from then on, or the connection fails if rings were demanded.
func TestRingsRefusedAfterInit(t *testing.T) {
	needRings(t)
	for _, want := range []Transport{Auto, ByRing} {
		t.Run(string(want), func(t *testing.T) {
			c, kernel, _ := pair(t)
			c.want = want
			offer := initMessage(7, 44, fuse.CAP_INIT_EXT)
			offer[40+16+1] = byte(fuse.CAP_OVER_IO_URING >> 40) // flags2
			send(t, kernel, offer)
			within(t, "INIT", func() { assert.NoError(t, c.Init()) })
			_, body := reply(t, kernel)
			assert.NotZero(t, body[32+1]&byte(fuse.CAP_OVER_IO_URING>>40), "agreed to")
			assert.Equal(t, ByRing, c.State().Transport)

			var err error
			within(t, "Serve", func() { err = c.Serve() })
			assert.Equal(t, ByRead, c.State().Transport)
			assert.Contains(t, c.State().Reason, "registering with the kernel")
			if want == ByRing {
				assert.ErrorIs(t, err, ErrNoRings)
			} else {
				assert.NoError(t, err)
				send(t, kernel, message(opGetattr, 7, 1, make([]byte, 16)))
				h, _ := reply(t, kernel)
				assert.EqualValues(t, 7, h.Unique)
				assert.Zero(t, h.Status)
			}
			require.NoError(t, unix.Shutdown(kernel, unix.SHUT_RDWR))
			within(t, "threads that serve", c.left.Wait)
			within(t, "Close", func() { assert.NoError(t, c.Close()) })
			assert.Eventually(t, func() bool { return hosttest.Rings(t, os.Getpid()) == 0 }, answerBound, time.Millisecond)
		})
	}
}

// TestRingsOfManyProcessors: queues for more processors than there are, which no
// thread can be pinned to, are all made, and all go: handed over or not.
func TestRingsOfManyProcessors(t *testing.T) {
	needRings(t)
	for name, end := range map[string]func(*rings){
		"abandoned": (*rings).abandon,
		"refused":   func(r *rings) { assert.Error(t, r.register()); r.close(answerBound) },
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := pair(t)
			var r *rings
			within(t, "making", func() {
				var err error
				r, err = newRings(c, 24, 2, minRingWrite)
				assert.NoError(t, err)
			})
			require.NotNil(t, r)
			assert.Equal(t, 24, hosttest.Rings(t, os.Getpid()))
			within(t, "the end", func() { end(r) })
			assert.Eventually(t, func() bool { return hosttest.Rings(t, os.Getpid()) == 0 }, answerBound, time.Millisecond)
		})
	}
}

// TestRingsWithoutDescriptors: where some of the rings cannot be made, none is
// left, and nobody waits.
func TestRingsWithoutDescriptors(t *testing.T) {
	needRings(t)
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old)) }()
	c, _, _ := pair(t)
	for free := range 8 {
		highest, err := unix.Dup(int(c.dev.Fd()))
		require.NoError(t, err)
		require.NoError(t, unix.Close(highest))
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(highest + free), Max: old.Max}))
		within(t, "making", func() {
			r, err := newRings(c, 4, 2, minRingWrite)
			assert.Nil(t, r)
			assert.ErrorIs(t, err, unix.EMFILE)
		})
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
		assert.Eventually(t, func() bool { return hosttest.Rings(t, os.Getpid()) == 0 }, answerBound, time.Millisecond)
	}
}
