package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// app is what one call of the program was given: every command takes its input and output from here, never from
// package os, so that tests drive commands without a process.
type app struct {
	ctx    context.Context // cancelled by SIGINT, SIGTERM, SIGHUP
	args   []string        // args[0] is the name the program was called by
	env    []string        // "KEY=value"
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// run executes the command line and returns the exit status. Nothing below it exits the process.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{ctx: ctx, args: args, env: env, stdin: stdin, stdout: stdout, stderr: stderr}
	if stage := a.stage(); stage != nil {
		return a.finish(stage(a, args[2:]))
	}
	if a.isMountHelper() {
		return helperCode(a.execute(newHelperCommand(a)))
	}
	return a.execute(newRootCommand(a))
}

// execute parses the command line by a command tree and runs what it says.
func (a *app) execute(root *cobra.Command) int {
	root.SetArgs(a.args[min(1, len(a.args)):])
	return a.finish(root.ExecuteContext(a.ctx))
}

// name is the base name the program was called by.
func (a *app) name() string {
	if len(a.args) == 0 {
		return programName
	}
	return filepath.Base(a.args[0])
}

// getenv returns the value of an environment variable, the last one if it is set twice, empty if it is not set.
func (a *app) getenv(key string) string {
	value := ""
	for _, pair := range a.env {
		if v, ok := strings.CutPrefix(pair, key+"="); ok {
			value = v
		}
	}
	return value
}
