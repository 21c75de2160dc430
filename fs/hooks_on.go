//go:build safetmp_testhooks

package fs

import "os"

// panicName is the name whose lookup panics, so that tests can show that a
// panic in one request answers EIO for that request and nothing else.
var panicName = os.Getenv("SAFETMP_TEST_PANIC_NAME")

func testPanic(name string) {
	if panicName != "" && name == panicName {
		panic("safetmp: test panic")
	}
}
