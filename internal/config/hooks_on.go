//go:build safetmp_testhooks

package config

import "os"

// testDefaults are options that every mount of this build begins with, so that
// a whole suite can be run with them. What is given explicitly counts more.
func testDefaults() string { return os.Getenv("SAFETMP_TEST_OPTIONS") }
