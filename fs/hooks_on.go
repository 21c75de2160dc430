//go:build safetmp_testhooks

package fs

import (
	"os"
	"strings"
)

// panicName is the name whose lookup panics, so that tests can show that a
// panic in one request answers EIO for that request and nothing else.
var panicName = os.Getenv("SAFETMP_TEST_PANIC_NAME")

func testPanic(name string) {
	if panicName != "" && name == panicName {
		panic("safetmp: test panic")
	}
}

// tamperPrefix begins the names whose lookup tampers with a file, so that tests
// can show that this is found out: prefix, what to do, ":", the file's name.
var tamperPrefix = os.Getenv("SAFETMP_TEST_TAMPER")

func (f *FS) testTamper(c caller, dir *inode, rawName string) {
	rest, ok := strings.CutPrefix(rawName, tamperPrefix)
	if !ok || tamperPrefix == "" {
		return
	}
	how, name, _ := strings.Cut(rest, ":")
	dir.dir.mu.RLock()
	defer dir.dir.mu.RUnlock()
	e := dir.dir.resolveLocked(f.scopeOf(c), name)
	if e == nil {
		return
	}
	if b := e.ino.contents(); b != nil {
		b.Tamper(how)
	}
}
