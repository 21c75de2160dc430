//go:build !safetmp_testhooks

package config

// testDefaults are no options in a product build.
func testDefaults() string { return "" }
