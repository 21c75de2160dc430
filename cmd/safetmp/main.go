package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// main is the only function of the project that exits the process, so that every path out of run has wiped what it
// served before the status reaches the shell.
func main() {
	nameProcess()
	ctx, stop := signal.NotifyContext(context.Background(), endingSignals()...)
	code := run(ctx, os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// endingSignals lists the signals that end a command in good order. SIGHUP stays ignored where the caller ignored it,
// as under nohup(1).
func endingSignals() []os.Signal {
	signals := []os.Signal{unix.SIGINT, unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) {
		signals = append(signals, unix.SIGHUP)
	}
	return signals
}
