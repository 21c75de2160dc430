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

// input views the start of a request as its protocol struct and returns what
// follows it; ok is false if the request is too short.
func input[T any](req []byte) (in *T, payload []byte, ok bool) {
	size := sizeOf[T]()
	if len(req) < size {
		return nil, nil, false
	}
	return (*T)(unsafe.Pointer(&req[0])), req[size:], true
}

// output views the place of a reply's struct and zeroes it.
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

// name takes a NUL-terminated string off the front of a payload.
func name(payload []byte) (s string, rest []byte, ok bool) {
	i := bytes.IndexByte(payload, 0)
	if i < 0 {
		return "", nil, false
	}
	return string(payload[:i]), payload[i+1:], true
}
