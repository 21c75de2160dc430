//go:build !safetmp_testhooks

package daemon

// testHoldExit does nothing in a product build.
func testHoldExit() {}

// testWritable names no file in a product build.
func testWritable() []string { return nil }

// testProbe does nothing in a product build.
func testProbe() (probe func()) { return func() {} }
