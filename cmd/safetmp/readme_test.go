package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/hosttest"
)

// TestSessionInTheReadme plays the session that the README shows and compares what comes out.
func TestSessionInTheReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	block := regexp.MustCompile(`(?m)(?:^    .*\n)*^    \$ safetmp run --report -- bash\n(?:    .*\n)+`).FindString(string(text))
	require.NotEmpty(t, block)
	var commands, shown strings.Builder
	for line := range strings.Lines(block) {
		line = strings.TrimPrefix(line, "    ")
		if command, ok := strings.CutPrefix(line, "$ "); !ok {
			shown.WriteString(line)
		} else if !strings.HasPrefix(command, programName) {
			commands.WriteString(command)
		}
	}
	cmd := exec.Command(programName, "run", "--report", "--", "bash")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(commands.String())
	out, err := cmd.CombinedOutput()
	// The status is that of the last command before exit, ln, which fails as it should.
	assert.Equal(t, 1, hosttest.ExitStatus(err), "%s", out)
	assert.Equal(t, anySession(shown.String()), anySession(string(out)))
}

// anySession replaces what differs from one session to the next.
func anySession(text string) string {
	for _, variable := range []struct{ pattern, name string }{
		{`\b[a-z2-7]{26}\b`, "NAME"},
		{`(?m)^(-rw------- 1) \S+ \S+ +(7) .* NAME$`, "$1 USER GROUP $2 DATE NAME"},
		{`[0-9.]+ MiB overwritten in [0-9.]+m?s`, "SIZE overwritten in TIME"},
	} {
		text = regexp.MustCompile(variable.pattern).ReplaceAllString(text, variable.name)
	}
	return text
}
