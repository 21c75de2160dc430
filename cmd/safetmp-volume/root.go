package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"safetmp/internal/config"
	"safetmp/internal/launch"
	"safetmp/internal/watch"
)

const rootHelp = `safetmp-volume gives containers volumes for temporary files: in memory, limited
in size, under the rules of safetmp, overwritten when the volume is removed.

  docker   the volume plugin of Docker and Podman
  csi      the driver of Kubernetes

Each volume is served by a process of its own, which lives on when this program
ends; started again, it finds its volumes again. docs/containers.md has recipes.`

// newRootCommand builds the command tree.
func newRootCommand(env []string) *cobra.Command {
	root := &cobra.Command{
		Use:               programName + " COMMAND",
		Short:             "safetmp volumes for containers",
		Long:              rootHelp,
		Args:              noArguments,
		SilenceErrors:     true, // run prints them, once
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	root.AddCommand(newDockerCommand(env), newCSICommand(env), newVersionCommand())
	root.AddCommand(newDaemonCommands()...)
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true
	}
	return root
}

// noArguments refuses them, naming what was given.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &config.UsageError{Problem: fmt.Sprintf("%.64q", args[0]), Accepted: accepted(cmd)}
}

// accepted lists the commands, or says that there are no arguments.
func accepted(cmd *cobra.Command) string {
	var names []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	if len(names) == 0 {
		return "no arguments"
	}
	return strings.Join(names, ", ")
}

// asUsage makes an error of a flag a mistake of the caller.
func asUsage(err error) error {
	var usage *config.UsageError
	if errors.As(err, &usage) {
		return usage
	}
	return &config.UsageError{Problem: err.Error(), Accepted: "see --help"}
}

// newDaemonCommands builds the hidden commands that package launch executes.
func newDaemonCommands() []*cobra.Command {
	return []*cobra.Command{
		{
			Use:    launch.DaemonCommand + " DIR",
			Short:  "serve one volume",
			Hidden: true,
			Args:   cobra.ExactArgs(1),
			RunE:   func(cmd *cobra.Command, _ []string) error { return launch.Daemon(cmd.Context(), failureOf) },
		},
		{
			Use:                launch.WatchCommand + " ID DEVICE DIR",
			Short:              "detach a volume when its daemon dies",
			Hidden:             true,
			DisableFlagParsing: true,
			RunE:               func(_ *cobra.Command, args []string) error { return watch.Serve(args) },
		},
	}
}
