package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exitConstants reads the exit codes and their meaning from exitcode.go.
func exitConstants(t *testing.T) map[int]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "exitcode.go", nil, parser.ParseComments)
	require.NoError(t, err)
	codes := map[int]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "exit") || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			code, err := strconv.Atoi(literal.Value)
			require.NoError(t, err)
			assert.NotContains(t, codes, code, "%s: a number is used once", spec.Names[0].Name)
			codes[code] = strings.TrimSpace(spec.Comment.Text())
		}
		return true
	})
	require.Greater(t, len(codes), 10)
	return codes
}

// scriptLines returns the lines of all scripts that run a program.
func scriptLines(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var lines []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		script, _, _ := strings.Cut(string(text), "\n-- ")
		for line := range strings.Lines(script) {
			if regexp.MustCompile(`^(\[\S+\] )*(! )?(exec|exits|within) `).MatchString(line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// commandTree is the tree as a caller gets it.
func commandTree() *cobra.Command {
	root := newRootCommand(&app{ctx: context.Background()})
	root.InitDefaultHelpCmd()
	return root
}

// people lists the commands that are for people.
func people(root *cobra.Command) []*cobra.Command {
	var commands []*cobra.Command
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() || cmd.Name() == "help" {
			commands = append(commands, cmd)
		}
	}
	return commands
}

// visibleFlags lists the flags of a command as they are written.
func visibleFlags(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

// TestEveryExitCodeHasAScript: a code that no script names is a promise that nobody checks.
func TestEveryExitCodeHasAScript(t *testing.T) {
	all := strings.Join(scriptLines(t), "")
	for code, meaning := range exitConstants(t) {
		wanted := fmt.Sprintf(`exits %d `, code)
		if code == exitSignalBase {
			wanted = `exits 1(29|3[0-9]|4[0-9]) `
		}
		assert.Regexp(t, wanted, all, "exit code %d (%s)", code, meaning)
	}
}

// TestEveryFlagHasAScript: each flag of each command stands in a script behind that command.
func TestEveryFlagHasAScript(t *testing.T) {
	lines := scriptLines(t)
	used := func(pattern string) bool {
		for _, line := range lines {
			if regexp.MustCompile(pattern).MatchString(line) {
				return true
			}
		}
		return false
	}
	// One table makes the flags of mount, run and policy (internal/config); a script of one of them is enough.
	const shared = `(mount|run|policy)`
	mount, _, err := commandTree().Find([]string{"mount"})
	require.NoError(t, err)
	ofTable := map[string]bool{}
	for _, name := range visibleFlags(mount) {
		ofTable[name] = name != "--foreground"
	}
	for _, cmd := range people(commandTree()) {
		assert.True(t, used(`safetmp `+cmd.Name()+`\b`), "%s: no script", cmd.Name())
		for _, name := range visibleFlags(cmd) {
			by := cmd.Name()
			if ofTable[name] {
				by = shared
			}
			assert.True(t, used(`safetmp `+by+`\b.* `+name+`\b`), "%s %s: no script", cmd.Name(), name)
		}
	}
}

// TestExitCodesInTheDocs: docs/operations.md promises the codes that there are, each in the words of the code.
func TestExitCodesInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	documented := map[int]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+)( \+ n)? \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		code, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		documented[code] = strings.ReplaceAll(row[3], "`", "")
	}
	assert.Equal(t, exitConstants(t), documented)
}

// TestExitCodesInHelp: the codes that help lists exist, and mean the same.
func TestExitCodesInHelp(t *testing.T) {
	codes := exitConstants(t)
	for _, cmd := range people(commandTree()) {
		_, list, found := strings.Cut(cmd.Example, "Exit codes:\n")
		if !found {
			continue
		}
		for _, number := range regexp.MustCompile(`(?:^|  )(\d+) `).FindAllStringSubmatch(list, -1) {
			code, err := strconv.Atoi(number[1])
			require.NoError(t, err)
			assert.Contains(t, codes, code, "%s: help names exit code %d", cmd.Name(), code)
		}
	}
}

// TestUsageInTheReadme: the README's usage block is that of help, each line of it parses, and each command stands in it.
func TestUsageInTheReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	block := regexp.MustCompile(`(?m)^## Use\n\n((?:    .*\n)+)`).FindStringSubmatch(string(text))
	require.NotNil(t, block)
	use := regexp.MustCompile(`(?m)^  `).ReplaceAllString(strings.TrimRight(block[1], "\n"), "")
	assert.Equal(t, rootExamples, use, "README.md and safetmp help show the same")
	lines := regexp.MustCompile(`(?m)^  (safetmp .*?)(?:  +#.*)?$`).FindAllStringSubmatch(use, -1)
	require.NotEmpty(t, lines)
	for _, line := range lines {
		for call := range strings.SplitSeq(line[1], ";") {
			assertParses(t, strings.Fields(call)[1:])
		}
	}
	for _, cmd := range people(commandTree()) {
		assert.Contains(t, use, cmd.Name(), "the README does not name safetmp %s", cmd.Name())
	}
}

// assertParses parses a command line without running it.
func assertParses(t *testing.T, words []string) {
	t.Helper()
	cmd, rest, err := commandTree().Find(words)
	require.NoError(t, err, "%v", words)
	require.NotEqual(t, programName, cmd.Name(), "%v: no such command", words)
	require.NoError(t, cmd.ParseFlags(rest), "%v", words)
	assert.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), "%v", words)
}
