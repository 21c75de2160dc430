package fs

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/memstore"
	"safetmp/policy"
)

// ttl is the time to live of these tests, by a clock of their own.
const ttl = time.Minute

// world is what lifetimes look at: time, and sessions, of which each uid's
// processes are one.
type world struct {
	now   atomic.Int64
	mu    sync.Mutex
	ended map[uint64]bool // guarded by mu
}

func (w *world) Of(pid uint32) uint64 { return uint64(pid) }

func (w *world) Ended(session uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended[session]
}

func (w *world) end(session uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[session] = true
}

func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

// living makes a filesystem with lifetimes.
func living(t *testing.T, l Lifetimes, profile policy.Profile, settings ...string) (*kernel, *world) {
	t.Helper()
	w := &world{ended: map[uint64]bool{}}
	l.Sessions = w
	begin := time.Now()
	k := newKernelWith(t, memstore.Config{Limit: 64 << 20, Inodes: 1 << 20}, func(o *Options) {
		o.Lifetimes = l
		o.Now = func() time.Time { return begin.Add(time.Duration(w.now.Load())) }
	}, profile, settings...)
	return k, w
}

func (k *kernel) sweep() { k.f.Sweep(nil) }

func (k *kernel) opendir(node uint64) {
	k.t.Helper()
	in := fuse.OpenIn{InHeader: header(alice, node)}
	require.Equal(k.t, fuse.OK, k.f.OpenDir(nil, &in, &fuse.OpenOut{}))
}

func (k *kernel) releasedir(node uint64) {
	k.f.ReleaseDir(&fuse.ReleaseIn{InHeader: header(alice, node)})
}

// there says whether a name means anything to alice, as the kernel asks once it
// has dropped what it was told to drop.
func (k *kernel) there(dir uint64, name string) bool {
	k.t.Helper()
	node, errno := k.lookup(alice, dir, name)
	if errno == 0 {
		k.held[node]--
		k.f.Forget(node, 1)
	}
	return errno == 0
}

// closedFile makes a file that nobody has open.
func (k *kernel) closedFile(dir uint64, name string) uint64 {
	k.t.Helper()
	node := k.must(k.create(alice, dir, name))
	require.Zero(k.t, k.release(node))
	return node
}

func TestTTLCountsFromTheLastUse(t *testing.T) {
	uses := map[string]func(k *kernel, node uint64){
		"open and close": func(k *kernel, node uint64) {
			_, errno := k.open(node)
			require.Zero(k.t, errno)
			require.Zero(k.t, k.release(node))
		},
		"chmod":  func(k *kernel, node uint64) { require.Zero(k.t, k.setattr(alice, node, chmodTo(0600))) },
		"rename": func(k *kernel, node uint64) { require.Zero(k.t, k.rename(alice, 1, "f", 1, "f2", 0)) },
		"xattr":  func(k *kernel, node uint64) { require.Zero(k.t, k.setxattr(node, "user.x", "y", 0)) },
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileTmpdir)
			node := k.closedFile(1, "f")
			w.pass(ttl - time.Second)
			k.sweep()
			use(k, node)
			w.pass(ttl - time.Second)
			k.sweep()
			assert.Len(t, k.f.Files(), 1, "used since")
			w.pass(2 * time.Second)
			k.sweep()
			assert.Empty(t, k.f.Files())
		})
	}
}

func chmodTo(mode uint32) func(*fuse.SetAttrIn) {
	return func(in *fuse.SetAttrIn) { in.Valid, in.Mode = fuse.FATTR_MODE, mode }
}

// What looks at a file without opening it does not keep it.
func TestTTLIsNotProlongedByLooking(t *testing.T) {
	k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileTmpdir)
	node := k.closedFile(1, "f")
	for range 4 {
		w.pass(ttl/4 + time.Second)
		k.there(1, "f")
		k.attr(node)
		k.sweep()
	}
	assert.Empty(t, k.f.Files())
}

func TestTTLSparesWhatIsInUse(t *testing.T) {
	prepare := map[string]func(k *kernel, dir uint64) (free func()){
		"open file": func(k *kernel, dir uint64) func() {
			node := k.must(k.create(alice, dir, "f"))
			return func() { k.release(node) }
		},
		"open file deep below": func(k *kernel, dir uint64) func() {
			for i := range 20 {
				dir = k.must(k.mkdir(alice, dir, strconv.Itoa(i)))
			}
			node := k.must(k.create(alice, dir, "f"))
			return func() { k.release(node) }
		},
		"open directory": func(k *kernel, dir uint64) func() {
			k.opendir(dir)
			return func() { k.releasedir(dir) }
		},
		"second descriptor": func(k *kernel, dir uint64) func() {
			node := k.must(k.create(alice, dir, "f"))
			_, errno := k.open(node)
			require.Zero(k.t, errno)
			k.release(node)
			return func() { k.release(node) }
		},
	}
	for name, hold := range prepare {
		t.Run(name, func(t *testing.T) {
			k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileTmpdir)
			free := hold(k, k.must(k.mkdir(alice, 1, "top")))
			k.closedFile(1, "other")
			for range 3 {
				w.pass(ttl + time.Second)
				k.sweep()
			}
			require.Len(t, k.f.Files(), 1, "the other is gone")
			assert.True(t, k.f.Files()[0].InUse)
			assert.Zero(t, k.f.Files()[0].Expires)
			free()
			assert.WithinDuration(t, k.f.opts.Now().Add(ttl), k.f.Files()[0].Expires, 0)
			k.sweep()
			assert.Len(t, k.f.Files(), 1, "its time begins at the last close")
			w.pass(ttl + time.Second)
			k.sweep()
			assert.Empty(t, k.f.Files())
		})
	}
}

// The kernel does not tell who has a FIFO or a socket open: they count as used
// while the session that made them lives.
func TestTTLOfFIFOsAndSockets(t *testing.T) {
	for name, mode := range map[string]uint32{"fifo": syscall.S_IFIFO, "socket": syscall.S_IFSOCK} {
		t.Run(name, func(t *testing.T) {
			k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileTmpdir)
			top := k.must(k.mkdir(alice, 1, "top"))
			k.must(k.mknod(alice, top, "special", mode|0600))
			w.pass(2 * ttl)
			k.sweep()
			assert.Len(t, k.f.Files(), 1)
			w.end(1) // the pid of every header
			w.pass(2 * ttl)
			k.sweep()
			assert.Empty(t, k.f.Files())
		})
	}
}

// A whole entry goes, and the kernel is told to forget every name that it holds.
func TestTTLRemovesTheWholeEntry(t *testing.T) {
	for _, profile := range []policy.Profile{policy.ProfileTmpdir, policy.ProfileCompat, policy.ProfileStrict} {
		t.Run(string(profile), func(t *testing.T) {
			k, w := living(t, Lifetimes{TTL: ttl}, profile)
			top := k.must(k.mkdir(alice, 1, "top"))
			file := k.closedFile(top, "file")
			sub := k.must(k.mkdir(alice, top, "sub"))
			inner := k.closedFile(sub, "inner")
			k.write(inner, 0, make([]byte, 100_000))
			w.pass(2 * ttl)
			k.sweep()

			assert.False(t, k.there(1, "top"))
			assert.False(t, k.there(top, "file"))
			assert.False(t, k.there(sub, "inner"))
			_, errno := k.create(alice, sub, "new")
			assert.Equal(t, syscall.ENOENT, errno, "in a directory that is gone")
			for _, node := range []uint64{file, inner} {
				_, errno := k.open(node)
				assert.Equal(t, syscall.ESTALE, errno, "by a name that the kernel has cached")
				assert.Equal(t, syscall.ESTALE, k.setattr(alice, node, chmodTo(0600)))
				assert.NotZero(t, k.link(alice, node, 1, "again"))
			}
			told := k.expired()
			for _, x := range []Expired{{Parent: 1, Name: "top"}, {Parent: top, Name: "file"}, {Parent: top, Name: "sub"}, {Parent: sub, Name: "inner"}} {
				assert.Contains(t, told, x)
			}
			assert.Equal(t, map[Lifetime]uint64{LifetimeTTL: 4}, k.f.Removed())
			for _, node := range []uint64{file, inner, sub, top} {
				k.forget(node)
			}
			assert.EqualValues(t, 1, k.f.store.Usage().Inodes, "the root alone")
		})
	}
}

// A file with a name in another entry lives on under that.
func TestTTLKeepsFilesLinkedElsewhere(t *testing.T) {
	k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileCompat)
	top := k.must(k.mkdir(alice, 1, "top"))
	file := k.closedFile(top, "file")
	require.Zero(t, k.link(alice, file, top, "second"))
	other := k.must(k.mkdir(alice, 1, "other"))
	require.Zero(t, k.link(alice, file, other, "third"))
	k.opendir(other)
	w.pass(2 * ttl)
	k.sweep()
	assert.False(t, k.there(1, "top"))
	assert.True(t, k.there(other, "third"))
	assert.Contains(t, k.f.NextExpired(nil), Expired{Attr: file}, "the kernel counts the links anew")
	_, errno := k.open(file)
	assert.Zero(t, errno)
	assert.EqualValues(t, 1, k.attr(file).Nlink)
}

func TestDeleteOnClose(t *testing.T) {
	k, _ := living(t, Lifetimes{DeleteOnClose: true}, policy.ProfileTmpdir)
	dir := k.must(k.mkdir(alice, 1, "dir"))
	file := k.must(k.create(alice, dir, "file"))
	require.Zero(t, k.link(alice, file, dir, "second"))
	_, errno := k.open(file)
	require.Zero(t, errno)
	k.release(file)
	assert.True(t, k.there(dir, "file"), "one descriptor is left")
	k.release(file)
	assert.False(t, k.there(dir, "file"))
	assert.False(t, k.there(dir, "second"), "every name")
	assert.True(t, k.there(1, "dir"), "directories stay")
	_, errno = k.open(file)
	assert.Equal(t, syscall.ESTALE, errno)
	assert.Subset(t, k.expired(), []Expired{{Parent: dir, Name: "file"}, {Parent: dir, Name: "second"}})
	node := k.must(k.mknod(alice, dir, "unopened", syscall.S_IFREG|0600))
	assert.True(t, k.there(dir, "unopened"), "never open")
	_, errno = k.open(node)
	require.Zero(t, errno)
	k.release(node)
	assert.False(t, k.there(dir, "unopened"))
	assert.Equal(t, map[Lifetime]uint64{LifetimeDeleteOnClose: 3}, k.f.Removed())
}

func TestDeleteOnCloseOfWhatHasNoName(t *testing.T) {
	k, _ := living(t, Lifetimes{DeleteOnClose: true}, policy.ProfileTmpdir)
	node := k.must(k.tmpfile(alice, 1))
	k.release(node)
	file := k.must(k.create(alice, 1, "file"))
	require.Zero(t, k.unlink(alice, 1, "file"))
	k.release(file)
	assert.Empty(t, k.f.Removed())
}

func TestOwnerExit(t *testing.T) {
	k, w := living(t, Lifetimes{OwnerExit: true}, policy.ProfileTmpdir)
	file := k.must(k.create(alice, 1, "file"))
	top := k.must(k.mkdir(alice, 1, "top"))
	k.must(k.create(alice, top, "inner"))
	require.Zero(t, k.rename(alice, 1, "file", 1, "renamed", 0))
	w.pass(100 * ttl)
	k.sweep()
	assert.Len(t, k.f.Files(), 2, "the session lives")
	w.end(1)
	k.sweep()
	assert.Empty(t, k.f.Files())
	assert.Zero(t, k.setattr(alice, file, func(in *fuse.SetAttrIn) { in.Valid, in.Size = fuse.FATTR_SIZE, 10 }), "who has it open goes on")
	n, errno := k.write(file, 0, []byte("hello"))
	assert.Zero(t, errno)
	assert.EqualValues(t, 5, n)
	assert.Zero(t, k.attr(file).Nlink)
	assert.Equal(t, map[Lifetime]uint64{LifetimeOwnerExit: 3}, k.f.Removed())
}

// A directory of more entries than the queue of notifications holds loses none.
func TestSweepOfManyEntries(t *testing.T) {
	k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileTmpdir)
	top := k.must(k.mkdir(alice, 1, "top"))
	const dirs, files = 20, 40
	k.f.expiry.limit = 100
	for i := range dirs {
		dir := k.must(k.mkdir(alice, top, strconv.Itoa(i)))
		for j := range files {
			k.closedFile(dir, strconv.Itoa(j))
		}
	}
	w.pass(2 * ttl)
	stop, names := make(chan struct{}), make(chan map[Expired]bool)
	go func() {
		got := map[Expired]bool{}
		for batch := k.f.NextExpired(stop); batch != nil; batch = k.f.NextExpired(stop) {
			for _, x := range batch {
				got[x] = true
			}
		}
		names <- got
	}()
	k.sweep()
	require.Eventually(t, k.nothingExpires, 10*time.Second, time.Millisecond)
	close(stop)
	assert.Greater(t, len(<-names), dirs*files)
}

func (k *kernel) nothingExpires() bool {
	k.f.expiry.mu.Lock()
	defer k.f.expiry.mu.Unlock()
	return len(k.f.expiry.queue) == 0
}

// The end of the mount may come in the middle of a removal.
func TestSweepStopped(t *testing.T) {
	k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileTmpdir)
	top := k.must(k.mkdir(alice, 1, "top"))
	k.f.expiry.limit = 100
	for i := range 60 {
		k.closedFile(top, strconv.Itoa(i))
	}
	sub := k.must(k.mkdir(alice, top, "sub"))
	k.closedFile(sub, "inner")
	w.pass(2 * ttl)
	stop := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() { close(stop) })
	k.f.Sweep(stop) // nobody takes the notifications
	k.f.Sweep(nil)
}

// Whoever opens in time keeps the file: an open that succeeded is never followed
// by a removal while it lasts, and one that came late fails.
func TestOpenAgainstExpiry(t *testing.T) {
	k, w := living(t, Lifetimes{TTL: ttl}, policy.ProfileTmpdir)
	var inTime, late int
	for i := range 400 {
		name := strconv.Itoa(i)
		node := k.closedFile(1, name)
		w.pass(ttl + time.Second)
		var errno syscall.Errno
		var both sync.WaitGroup
		both.Go(func() {
			for range i % 20 * 100 {
				runtime.Gosched()
			}
			in := fuse.OpenIn{InHeader: header(alice, node)}
			errno = syscall.Errno(k.f.Open(nil, &in, &fuse.OpenOut{}))
		})
		both.Go(func() {
			for range (i + 7) % 20 * 100 {
				runtime.Gosched()
			}
			k.sweep()
		})
		both.Wait()
		switch errno {
		case 0:
			inTime++
			assert.True(t, k.there(1, name), "open and gone")
			require.Zero(t, k.unlink(alice, 1, name))
			k.release(node)
		case syscall.ESTALE:
			late++
			assert.False(t, k.there(1, name), "refused and there")
		default:
			t.Fatal(errno)
		}
		k.forget(node)
	}
	t.Logf("%d in time, %d late", inTime, late)
	assert.NotZero(t, inTime)
	assert.NotZero(t, late)
}

func TestLifetimesNeedSessions(t *testing.T) {
	k := newKernel(t, policy.ProfileTmpdir)
	o := k.f.opts
	o.Lifetimes = Lifetimes{TTL: ttl}
	_, err := New(o)
	assert.ErrorContains(t, err, "sessions")
}
