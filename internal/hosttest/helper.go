package hosttest

import (
	"fmt"
	"os"
)

// helperVar names the helper that a copy of the test binary runs instead of tests.
const helperVar = "SAFETMP_TEST_HELPER"

// HelperEnv is what a copy of the test binary needs in its environment to be the helper of this name.
func HelperEnv(name string) string { return helperVar + "=" + name }

// Helper runs the helper that the process was started as, if it was, and returns its exit code. TestMain calls it first.
// Helpers are second processes that need no compiler and no script.
func Helper(helpers map[string]func(args []string) error) (code int, was bool) {
	name := os.Getenv(helperVar)
	if name == "" {
		return 0, false
	}
	work, known := helpers[name]
	if !known {
		fmt.Fprintf(os.Stderr, "helper %q is unknown\n", name)
		return 2, true
	}
	if err := work(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "helper %s: %v\n", name, err)
		return 1, true
	}
	return 0, true
}
