package fuseconn

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"testing"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// step is a request in its parts, as the kernel delivers them to a ring.
type step struct {
	name         string
	op           uint32
	node         uint64
	args, behind []byte // the operation's struct, and names or data
}

// history makes requests of most kinds out of a file and its contents.
func history(contents []byte) []step {
	size := uint32(len(contents))
	z := []byte{0}
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	return []step{
		{"create", opCreate, 1, words(0, 0100600, 0, 0), cat([]byte("file"), z)},
		{"write", opWrite, 2, words(0, 0, 0, 0, size, 0, 0, 0, 0, 0), contents},
		{"read", opRead, 2, words(0, 0, 0, 0, size, 0, 0, 0, 0, 0), nil},
		{"read of the end", opRead, 2, words(0, 0, size, 0, 4096, 0, 0, 0, 0, 0), nil},
		{"lookup", opLookup, 1, nil, cat([]byte("file"), z)},
		{"lookup of a missing name", opLookup, 1, nil, cat([]byte("none"), z)},
		{"lookup without a NUL", opLookup, 1, nil, []byte("file")},
		{"getattr", opGetattr, 2, words(0, 0, 0, 0), nil},
		{"short getattr", opGetattr, 2, words(0), nil},
		{"mkdir", opMkdir, 1, words(0700, 0), cat([]byte("dir"), z)},
		{"symlink", opSymlink, 1, nil, cat([]byte("link"), z, []byte("a/target"), z)},
		{"readlink", opReadlink, 4, nil, nil},
		{"setxattr", opSetxattr, 2, words(5, 0), cat([]byte("user.a"), z, []byte("value"))},
		{"getxattr", opGetxattr, 2, words(100, 0), cat([]byte("user.a"), z)},
		{"size of an attribute", opGetxattr, 2, words(0, 0), cat([]byte("user.a"), z)},
		{"listxattr", opListxattr, 2, words(100, 0), nil},
		{"opendir", opOpendir, 1, words(0, 0), nil},
		{"readdir", opReaddir, 1, words(1, 0, 0, 0, 4096, 0, 0, 0, 0, 0), nil},
		{"rename", opRename2, 1, words(3, 0, 0, 0), cat([]byte("file"), z, []byte("other"), z)},
		{"statfs", opStatfs, 1, nil, nil},
		{"write of more than there is", opWrite, 2, words(0, 0, 0, 0, size+1, 0, 0, 0, 0, 0), contents},
		{"unlink", opUnlink, 3, nil, cat([]byte("other"), z)},
		{"unknown", 63, 1, words(1, 2, 3), []byte("whatever")},
	}
}

// fill puts a request into a slot as the kernel does.
func (s *slot) fill(unique uint64, r step) {
	h := fuse.InHeader{Length: uint32(inHeaderSize + len(r.args) + len(r.behind)), Opcode: r.op, Unique: unique, NodeId: r.node}
	copy(s.memory, unsafe.Slice((*byte)(unsafe.Pointer(&h)), inHeaderSize))
	copy(s.memory[atOp:atOp+opRoom], r.args)
	binary.NativeEndian.PutUint64(s.memory[atCommitID:], unique)
	binary.NativeEndian.PutUint32(s.memory[atPayloadSize:], uint32(len(r.behind)))
	copy(s.payload(), r.behind)
}

// A slot, in which parts of a request lie apart and the reply takes the place of
// the names and data, gets the replies that a reader gets.
func TestSlotsAnswerAsReadersDo(t *testing.T) {
	contents := bytes.Repeat([]byte("contents"), 1000)
	byRead := &Conn{fs: newFS(t), log: slog.New(slog.DiscardHandler)}
	byRing := &Conn{fs: newFS(t), log: slog.New(slog.DiscardHandler)}
	out := make([]byte, MaxWrite+headroom)
	s, err := newSlot(minRingWrite)
	require.NoError(t, err)
	defer s.buffer.free()
	for i, r := range history(contents) {
		unique := uint64(i + 2)
		want := byRead.handle(request{head: message(r.op, unique, r.node, r.args, r.behind)}, out)
		s.fill(unique, r)
		n := s.reply(byRing.handle(s.request(), s.out))
		got := (*fuse.OutHeader)(unsafe.Pointer(&s.memory[0]))
		header := (*fuse.OutHeader)(unsafe.Pointer(&want[0]))
		assert.Equal(t, *header, *got, r.name)
		require.Equal(t, len(want)-outHeaderSize, n, r.name)
		assert.Equal(t, n, s.payloadSize(), r.name)
		if carriesContents(r.op) {
			assert.Equal(t, want[outHeaderSize:], s.payload()[:n], r.name)
			clear(s.payload()[:n])
		}
		if r.op != opReaddir { // its reply has padding
			assert.False(t, bytes.Contains(s.memory[headerPage+n:], []byte("cont")), "%s: something is left behind the reply", r.name)
		}
	}
}

// The kernel is trusted, but a length that cannot be is no reason to read what
// is not there.
func TestSlotBelievesNoLength(t *testing.T) {
	s, err := newSlot(minRingWrite)
	require.NoError(t, err)
	defer s.buffer.free()
	for _, length := range []uint32{0, 39, 40, 1 << 20, 1<<32 - 1} {
		for _, size := range []uint32{0, 1, minRingWrite, minRingWrite + 1, 1<<32 - 1} {
			s.fill(2, step{op: opWrite, node: 1})
			binary.NativeEndian.PutUint32(s.memory, length)
			binary.NativeEndian.PutUint32(s.memory[atPayloadSize:], size)
			r := s.request()
			assert.GreaterOrEqual(t, len(r.head), inHeaderSize)
			assert.LessOrEqual(t, len(r.head), inHeaderSize+opRoom)
			assert.LessOrEqual(t, len(r.tail), minRingWrite)
		}
	}
}

func TestCountCPUs(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-1": 2, "0-127": 128, "0-3,8-11": 8, "0,2,4-5": 4} {
		n, ok := countCPUs(list)
		assert.True(t, ok, list)
		assert.Equal(t, want, n, list)
	}
	for _, list := range []string{"", "a", "3-1", "0-", "-1", "0-99999", "0,,1"} {
		_, ok := countCPUs(list)
		assert.False(t, ok, "%q", list)
	}
	n, err := possibleCPUs()
	require.NoError(t, err)
	assert.Positive(t, n)
}

// However many processors there are, rings take no more memory than promised,
// and every attribute fits into a request.
func TestRingSizes(t *testing.T) {
	for n := 1; n <= 8192; n++ {
		depth, maxWrite, err := ringSizes(n)
		if err != nil {
			assert.Greater(t, n, 200)
			continue
		}
		assert.LessOrEqual(t, n*depth*(maxWrite+headerPage), ringBudget)
		assert.GreaterOrEqual(t, depth, 2, "one request may wait for room")
		assert.GreaterOrEqual(t, maxWrite, 2*64<<10)
	}
	_, maxWrite, err := ringSizes(32)
	require.NoError(t, err)
	assert.EqualValues(t, maxRingWrite, maxWrite, "no smaller than necessary")
}

func TestRingsThatWereDemanded(t *testing.T) {
	for want, refused := range map[Transport]bool{Auto: false, ByRead: false, ByRing: true} {
		c, kernel, _ := pair(t)
		c.want = want
		send(t, kernel, initMessage(7, 31, 0))
		err := c.Init()
		h, _ := reply(t, kernel)
		if refused {
			require.ErrorIs(t, err, ErrNoRings)
			assert.EqualValues(t, -int32(unix.EPROTO), h.Status, "the kernel is told that nobody will answer")
			continue
		}
		require.NoError(t, err)
		assert.Zero(t, h.Status)
		assert.Equal(t, ByRead, c.State().Transport)
		assert.Equal(t, want == Auto, c.State().Reason != "", "a reason where there was a choice")
	}
}
