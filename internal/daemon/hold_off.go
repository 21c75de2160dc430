//go:build !safetmp_testhooks

package daemon

// testHoldExit does nothing in a product build.
func testHoldExit() {}
