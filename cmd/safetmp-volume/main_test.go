package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"safetmp/internal/hosttest"
)

// What is wrong on the command line is told in one line, before anything is made.
func TestUsage(t *testing.T) {
	hosttest.NeedRoot(t, "as engines' volumes do")
	for line, says := range map[string]string{
		"foo":                                  `"foo" (accepted: csi, docker, help, version)`,
		"docker x":                             `"x" (accepted: no arguments)`,
		"docker --nope":                        "unknown flag: --nope (accepted: see --help)",
		"docker --default-size abc":            `--default-size: "abc" is not a size`,
		"docker --max-total-size 0":            `--max-total-size: "0" is less than one page`,
		"docker --max-volumes -1":              "--max-volumes: -1 is less than none",
		"docker --max-volumes x":               `invalid argument "x" for "--max-volumes"`,
		"docker --cgroup safetmp":              `--cgroup: "safetmp": not an absolute path below / (accepted: none or a path such as /safetmp)`,
		"csi":                                  "--node-id: is missing (accepted: the name of the node)",
		"csi --node-id n --endpoint tcp://x":   `--endpoint: "tcp://x" is not a socket (accepted: unix:///PATH)`,
		"csi --node-id n --endpoint unix://x":  `--endpoint: "unix://x" is not a socket`,
		"csi --node-id n --kubelet-dir /":      `--kubelet-dir: "/" is not a folder of its own`,
		"csi --node-id n --kubelet-dir kubele": `--kubelet-dir: "kubele" is not a folder of its own`,
		"version x":                            `"x" (accepted: no arguments)`,
	} {
		code, stdout, stderr := execute(t, strings.Fields(line)...)
		assert.Equal(t, exitUsage, code, line)
		assert.Empty(t, stdout, line)
		assert.Contains(t, stderr, "safetmp-volume: "+says, line)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), line)
	}
}

// The hidden commands are for this program's own use.
func TestHiddenCommands(t *testing.T) {
	for _, line := range []string{"daemon /x", "watch", "watch 1 0:1 /x"} {
		code, _, stderr := execute(t, strings.Fields(line)...)
		assert.Equal(t, exitFailure, code, line)
		assert.Equal(t, "safetmp-volume: this command is for safetmp's own use\n", stderr, line)
	}
}

func TestHelp(t *testing.T) {
	for _, line := range []string{"", "--help", "help", "docker --help", "csi --help", "help csi"} {
		code, stdout, stderr := execute(t, strings.Fields(line)...)
		assert.Zero(t, code, line)
		assert.Contains(t, stdout, "Usage:", line)
		assert.NotContains(t, stdout, "daemon DIR", line)
		assert.Empty(t, stderr, line)
	}
	code, stdout, _ := execute(t, "version")
	assert.Zero(t, code)
	assert.Equal(t, 1, strings.Count(stdout, "\n"))
}

// execute runs a command line that does not serve.
func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, nil, &out, &errs)
	return code, out.String(), errs.String()
}
