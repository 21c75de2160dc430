package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"safetmp/internal/config"
)

// usageError is a mistake on the command line, exit code 2.
func usageError(source, problem, accepted string) error {
	return &config.UsageError{Source: source, Problem: problem, Accepted: accepted}
}

// flagError puts what pflag found wrong into one line that names the flag and what is accepted.
func flagError(cmd *cobra.Command, err error) error {
	var usage *config.UsageError
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &usage):
		return usage
	case errors.As(err, &unknown):
		return usageError(dashed(unknown), "unknown flag", flagNames(cmd))
	case errors.As(err, &missing):
		f := missing.GetFlag()
		return usageError("--"+f.Name, "needs a value", "--"+f.Name+" "+f.Value.Type())
	}
	return usageError("", err.Error(), "see "+cmd.CommandPath()+" --help")
}

// dashed returns an unknown flag as it was written, as far as pflag tells.
func dashed(unknown *pflag.NotExistError) string {
	if unknown.GetSpecifiedShortnames() != "" {
		return "-" + unknown.GetSpecifiedName()
	}
	return "--" + unknown.GetSpecifiedName()
}

// flagNames lists the flags of a command.
func flagNames(cmd *cobra.Command) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return strings.Join(names, ", ")
}

// exactly checks the number of arguments of a command, whose names are given: "DIR".
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		wanted := "no arguments"
		if len(names) > 0 {
			wanted = strings.Join(names, " ")
		}
		return usageError(cmd.Name(), fmt.Sprintf("%d arguments given", len(args)), wanted)
	}
}

// atMost checks that there is at most one argument of this name.
func atMost(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return usageError(cmd.Name(), fmt.Sprintf("%d arguments given", len(args)), "["+name+"]")
	}
}
