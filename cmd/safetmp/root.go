package main

import "github.com/spf13/cobra"

// programName prefixes every message, whatever name the program was called by.
const programName = "safetmp"

// newRootCommand builds the command tree of one call.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               programName + " COMMAND [ARG...]",
		Short:             "temporary files in RAM, under safe rules",
		Long:              rootHelp,
		Example:           rootExamples,
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true, // finish prints them, once
		SilenceUsage:      true, // one line per mistake, not a page
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              runRoot,
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpTemplate(helpTemplate)
	root.SetHelpCommand(newHelpCommand(a))
	root.AddCommand(
		newRunCommand(a), newMountCommand(a), newUmountCommand(a), newStatusCommand(a), newListCommand(a), newEventsCommand(a),
		newPolicyCommand(a), newVersionCommand(a), newCompletionCommand(a),
	)
	root.AddCommand(newDoctorCommands(a)...)
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true // each Use says itself where flags go
	}
	return root
}

// runRoot is reached without a command, which asks for help, or with one that does not exist.
func runRoot(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	accepted := commandNames(cmd)
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		accepted = "did you mean " + near[0] + "? " + accepted
	}
	return usageError("", "unknown command "+clean(args[0]), accepted)
}
