package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// helpTemplate orders help as a man page is: name, usage, description, flags, examples with the exit codes.
const helpTemplate = `{{.CommandPath}} - {{.Short}}

Usage:
  {{.UseLine}}
{{with .Long}}
{{.}}
{{end}}{{if .HasAvailableSubCommands}}
Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsagesWrapped 110 | trimTrailingWhitespaces}}
{{end}}{{with .Example}}
Examples:
{{.}}
{{end}}`

// newHelpCommand builds `safetmp help`.
func newHelpCommand(*app) *cobra.Command {
	return &cobra.Command{
		Use:                   "help [COMMAND]",
		Short:                 "print the help of a command",
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return availableCommands(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			target, _, err := cmd.Root().Find(args)
			if err != nil || (len(args) > 0 && target == cmd.Root()) {
				return usageError("help", "no help on "+clean(strings.Join(args, " ")), commandNames(cmd.Root()))
			}
			target.InitDefaultHelpFlag()
			return target.Help()
		},
	}
}

// commandNames lists the commands that help shows, for an error.
func commandNames(root *cobra.Command) string { return strings.Join(availableCommands(root), ", ") }

func availableCommands(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}
