package fuseconn

import (
	"bytes"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func sizeOf[T any]() int {
	var t T
	return int(unsafe.Sizeof(t))
}

// request is a request where the kernel has put it. Head begins with its header
// and the operation's struct. What follows them, names or data, is the rest of
// head, or tail if that is not nil; it may lie where the reply will be.
type request struct{ head, tail []byte }

// input views the start of a request as its protocol struct and returns what
// follows it; ok is false if the request is too short.
func input[T any](req request) (in *T, payload []byte, ok bool) {
	size := sizeOf[T]()
	if len(req.head) < size {
		return nil, nil, false
	}
	if req.tail != nil {
		payload = req.tail
	} else {
		payload = req.head[size:]
	}
	return (*T)(unsafe.Pointer(&req.head[0])), payload, true
}

// output views the place of a reply's struct and zeroes it. Preconditions: what
// follows the request's struct is not needed any more.
func output[T any](out []byte) *T {
	clear(out[outHeaderSize : outHeaderSize+sizeOf[T]()])
	return (*T)(unsafe.Pointer(&out[outHeaderSize]))
}

// payload is the place of a reply's bytes, for at most size of them.
func payload(out []byte, size uint32) []byte {
	room := out[outHeaderSize:]
	return room[:min(int(size), len(room))]
}

// finish writes the header of a reply with n bytes behind it, none if status is
// an error, and returns the message.
func finish(out []byte, unique uint64, n int, status fuse.Status) []byte {
	if status != fuse.OK {
		n = 0
	}
	length := outHeaderSize + n
	*(*fuse.OutHeader)(unsafe.Pointer(&out[0])) = fuse.OutHeader{
		Length: uint32(length), Status: -int32(status), Unique: unique,
	}
	return out[:length]
}

// name takes a NUL-terminated string off the front of a payload. It is the
// request's memory, not a copy: it is valid until the reply is begun or the
// buffer is overwritten, and whoever keeps it copies it.
func name(payload []byte) (s string, rest []byte, ok bool) {
	i := bytes.IndexByte(payload, 0)
	if i < 0 {
		return "", nil, false
	}
	return unsafe.String(unsafe.SliceData(payload), i), payload[i+1:], true
}

// answer has do fill in the struct of a reply while it still needs the names of
// the request, and returns what a handler does. Where the names may lie in the
// place of the reply, the struct lies behind them meanwhile.
func answer[T any](req request, out []byte, do func(*T) fuse.Status) (int, fuse.Status) {
	n, at := sizeOf[T](), outHeaderSize+(len(req.tail)+7)&^7
	if at+n > len(out) {
		return 0, fuse.EINVAL // no name is that long
	}
	clear(out[at : at+n])
	status := do((*T)(unsafe.Pointer(&out[at])))
	if at != outHeaderSize {
		copy(out[outHeaderSize:outHeaderSize+n], out[at:at+n])
		clear(out[max(at, outHeaderSize+n) : at+n])
	}
	return n, status
}
