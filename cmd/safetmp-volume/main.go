package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/launch"
)

// programName prefixes every message.
const programName = "safetmp-volume"

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// main is the only function that exits.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes the command line and returns the exit status.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	root := newRootCommand(env)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	f := failureOf(err)
	fmt.Fprintf(stderr, "%s: %s\n", programName, f.Message)
	if f.Hint != "" {
		fmt.Fprintf(stderr, "%s: hint: %s\n", programName, f.Hint)
	}
	return f.Code
}

// failureOf turns an error into an exit code, one line and a hint.
func failureOf(err error) *launch.Failure {
	var known *launch.Failure
	if errors.As(err, &known) {
		return known
	}
	f := &launch.Failure{Code: exitFailure, Message: err.Error()}
	var usage *config.UsageError
	if errors.As(err, &usage) {
		f.Code = exitUsage
	}
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		f.Hint = hinter.Hint()
	}
	return f
}
