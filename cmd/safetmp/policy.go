package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"safetmp/internal/config"
	"safetmp/policy"
)

// newPolicyCommand builds `safetmp policy`.
func newPolicyCommand(a *app) *cobra.Command {
	builder := config.New(config.HostSystem())
	var rules bool
	cmd := &cobra.Command{
		Use:     "policy [flags of mount] [--rules]",
		Short:   "print the rules in force and where they come from",
		Long:    policyHelp,
		Example: policyExamples,
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			if rules {
				return writeRules(a.stdout)
			}
			return a.printPolicy(builder)
		},
	}
	builder.AddFlags(cmd.Flags())
	completeOptions(cmd)
	cmd.Flags().BoolVar(&rules, "rules", false, "print every rule with its values, the safest first")
	return cmd
}

// printPolicy prints what the flags come to.
func (a *app) printPolicy(builder *config.Builder) error {
	opts, err := builder.Finish()
	if err != nil {
		return err
	}
	p, err := opts.Policy()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "profile %s\n\n", p.Profile())
	if err := writeSettings(a.stdout, p.Describe()); err != nil {
		return err
	}
	if lost := p.Overruled(); len(lost) > 0 {
		fmt.Fprintln(a.stdout, "\nnot in force, since a safer setting or a flag won:")
		return writeSettings(a.stdout, lost)
	}
	return nil
}

// writeSettings writes one line per setting.
func writeSettings(w io.Writer, settings []policy.Setting) error {
	table := newTable(w)
	fmt.Fprintln(table, "RULE\tVALUE\tSOURCE")
	for _, s := range settings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", clean(string(s.Rule)), clean(s.Value), clean(s.Source))
	}
	return table.Flush()
}

// writeRules writes one line per rule that can be set.
func writeRules(w io.Writer) error {
	table := newTable(w)
	fmt.Fprintln(table, "RULE\tVALUES\tMEANING")
	for _, r := range policy.Rules() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", r.Rule, strings.Join(r.Values, " "), r.Meaning)
	}
	return table.Flush()
}
