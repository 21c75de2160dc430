package main

import "github.com/spf13/cobra"

// programName prefixes every message, whatever name the program was called by.
const programName = "safetmp"

// newRootCommand builds the command tree of one call.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           programName,
		Short:         "temporary files in RAM, under safe rules",
		SilenceErrors: true, // finish prints them, once
		SilenceUsage:  true, // one line per mistake, not a page
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.AddCommand(newRunCommand(a))
	root.AddCommand(newRunHelperCommands(a)...)
	return root
}
