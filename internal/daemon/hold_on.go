//go:build safetmp_testhooks

package daemon

import (
	"encoding/json"
	"os"

	"safetmp/internal/harden/hardentest"
)

// testProbe opens the file that the environment names, and returns what tries
// from within the daemon what it must not be able to do, and writes the results
// there. The environment holds a hardentest.Place as well.
func testProbe() (probe func()) {
	var place hardentest.Place
	if json.Unmarshal([]byte(os.Getenv("SAFETMP_TEST_PROBE_PLACE")), &place) != nil {
		return func() {}
	}
	out, err := os.OpenFile(os.Getenv("SAFETMP_TEST_PROBE"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return func() {}
	}
	return func() {
		defer out.Close()
		_ = json.NewEncoder(out).Encode(hardentest.Try(place))
	}
}

// testWritable names the file that testHoldExit opens.
func testWritable() []string {
	if path := os.Getenv("SAFETMP_TEST_HOLD_EXIT"); path != "" {
		return []string{path}
	}
	return nil
}

// testHoldExit stops the process right before its exit, with everything wiped,
// until a reader of the FIFO named by the environment has come and gone: tests
// scan the memory that the process leaves behind.
func testHoldExit() {
	path := os.Getenv("SAFETMP_TEST_HOLD_EXIT")
	if path == "" {
		return
	}
	fifo, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer fifo.Close()
	for {
		if _, err := fifo.Write([]byte{'.'}); err != nil {
			return
		}
	}
}
