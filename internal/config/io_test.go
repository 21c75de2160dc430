package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIO(t *testing.T) {
	for args, want := range map[string]string{
		"": "", "--io=auto": "", "--io=memory": IOMemory, "--io=passthrough": IOPassthrough, "-o io=passthrough": IOPassthrough,
		"--io=passthrough --encrypt=off": IOPassthrough, "--io=passthrough --shared --user-size=100%": IOPassthrough,
		"--io=passthrough --io=auto --encrypt=on": "",
	} {
		got, err := parse(fakeSystem(0), strings.Fields(args)...)
		require.NoError(t, err, args)
		assert.Equal(t, want, got.IO, args)
		assert.Equal(t, want == IOPassthrough, got.Store().Files, args)
	}
	for args, source := range map[string]string{
		"--io=passthrough --encrypt=on":        "--io",
		"--io=passthrough --key-memory=locked": "--key-memory",
		"--io=passthrough --cache=cached":      "--cache",
		"-o io=passthrough --shared":           "-o io",
		"--io=passthrough --size=60k":          "--size",
		"--io=kernel":                          "--io",
	} {
		_, err := parse(fakeSystem(0), strings.Fields(args)...)
		usage(t, err, source)
	}
}
