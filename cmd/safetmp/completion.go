package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// newCompletionCommand builds `safetmp completion`.
func newCompletionCommand(a *app) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "print a completion script",
		Long:      completionHelp,
		Example:   completionExamples,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return usageError("completion", "no such shell", "bash, zsh, fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return complete(cmd.Root(), args[0], a.stdout)
		},
	}
}

// complete writes the script of one shell.
func complete(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	}
	return root.GenFishCompletion(w, true)
}
