//go:build !amd64 && !arm64

package harden

import (
	"errors"
	"runtime"
)

// filterCalls says that there is no filter for this processor, whose calls have other numbers and forms.
func filterCalls(Config) error {
	return errors.New("no filter of system calls for this processor: " + runtime.GOARCH)
}
