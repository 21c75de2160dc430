package main

import "github.com/spf13/cobra"

// newRunCommand builds `safetmp run`.
func newRunCommand(_ *app) *cobra.Command {
	return &cobra.Command{Use: "run [flags] -- CMD [ARG...]", Short: "run a command with a private TMPDIR"}
}

// newRunHelperCommands builds the hidden commands that run re-executes itself as.
func newRunHelperCommands(_ *app) []*cobra.Command { return nil }
