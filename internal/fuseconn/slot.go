package fuseconn

import (
	"encoding/binary"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// slot is the buffer of one request and its reply. The kernel puts the headers
// into the first page and the payload behind it; the payload of the reply takes
// the place of the request's.
type slot struct {
	buffer  buffer
	memory  []byte // of buffer
	out     []byte // header of a reply and payload, in one piece
	vectors *[2]unix.Iovec
}

// Where things are in the first page (struct fuse_uring_req_header).
const (
	headerPage    = headroom
	atOp          = 128 // the operation's struct
	opRoom        = 128
	atCommitID    = 264
	atPayloadSize = 272
	headersSize   = 288
)

func newSlot(maxWrite int) (*slot, error) {
	b, err := newBuffer(headerPage + maxWrite)
	if err != nil {
		return nil, err
	}
	memory := b.bytes
	s := &slot{buffer: b, memory: memory, out: memory[headerPage-outHeaderSize:], vectors: new([2]unix.Iovec)}
	s.vectors[0].Base, s.vectors[1].Base = &memory[0], &memory[headerPage]
	s.vectors[0].SetLen(headersSize)
	s.vectors[1].SetLen(maxWrite)
	return s, nil
}

// address is where the kernel finds out about the memory, while it registers
// the slot.
func (s *slot) address() uint64 { return uint64(uintptr(unsafe.Pointer(s.vectors))) }

func (s *slot) header() *fuse.InHeader { return (*fuse.InHeader)(unsafe.Pointer(&s.memory[0])) }

func (s *slot) commitID() uint64 { return binary.NativeEndian.Uint64(s.memory[atCommitID:]) }

func (s *slot) payload() []byte { return s.memory[headerPage:] }

// payloadSize is the size of a request's payload, as the kernel says.
func (s *slot) payloadSize() int {
	return min(int(binary.NativeEndian.Uint32(s.memory[atPayloadSize:])), len(s.memory)-headerPage)
}

// request views what the kernel has put there. The header is copied to right
// before the operation's struct, so that both are in one piece.
func (s *slot) request() request {
	size := s.payloadSize()
	rest := int(s.header().Length) - inHeaderSize - size // of the operation's struct
	rest = max(0, min(rest, opRoom))
	copy(s.memory[atOp-inHeaderSize:atOp], s.memory[:inHeaderSize])
	return request{head: s.memory[atOp-inHeaderSize : atOp+rest], tail: s.payload()[:size]}
}

// reply puts the header of a reply, which is in s.out, where the kernel looks
// for it, overwrites what is left of the request and returns how many bytes
// there are behind the header.
func (s *slot) reply(msg []byte) (n int) {
	if msg == nil { // the operation has none, but the slot has to be given back
		msg = finish(s.out, s.header().Unique, 0, fuse.OK)
	}
	n = len(msg) - outHeaderSize
	left := max(s.payloadSize(), scratch)
	copy(s.memory[:outHeaderSize], msg)
	binary.NativeEndian.PutUint32(s.memory[atPayloadSize:], uint32(n))
	if n < left {
		clear(s.payload()[n:left])
	}
	return n
}
