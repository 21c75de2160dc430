//go:build safetmp_testhooks

package daemon

import "os"

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
