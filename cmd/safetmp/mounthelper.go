package main

import (
	"slices"

	"github.com/spf13/cobra"

	"safetmp/internal/config"
)

// helperNames are the names by which mount(8) calls a helper, for the types safetmp and fuse.safetmp.
var helperNames = []string{"mount.safetmp", "mount.fuse.safetmp"}

// isMountHelper reports whether mount(8) called, or somebody who speaks as it does.
func (a *app) isMountHelper() bool { return slices.Contains(helperNames, a.name()) }

// Exit codes of mount(8), which hands on those of its helpers.
const (
	helperUsage = 1
	helperFail  = 32
)

// newHelperCommand builds the command line of a mount helper, see "External helpers" in mount(8): SOURCE DIR [-sfnv]
// [-N namespace] [-o options] [-t type]. mount(8) has entered the namespace itself; -s asks to overlook unknown
// options, and a mount that is weaker than what was asked for is what safetmp does not do, so it has no effect.
func newHelperCommand(a *app) *cobra.Command {
	m := &mountCommand{app: a, builder: config.New(config.HostSystem())}
	cmd := &cobra.Command{
		Use:           a.name() + " SOURCE DIR",
		Args:          exactly("SOURCE", "DIR"),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, _ := cmd.Flags().GetStringArray("options") // the flag is defined below
			for _, options := range list {
				if err := m.builder.ParseList(options); err != nil {
					return err
				}
			}
			if err := m.builder.ParseList("fsname=" + args[0]); err != nil {
				return err
			}
			return m.run(args[1])
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&m.checkOnly, "fake", "f", false, "check everything, mount nothing")
	flags.BoolP("sloppy", "s", false, "no effect")
	flags.BoolP("no-mtab", "n", false, "no effect")
	flags.BoolVarP(&m.verbose, "verbose", "v", false, "say how contents are kept out of swap")
	flags.StringP("namespace", "N", "", "no effect")
	flags.StringP("types", "t", "", "no effect")
	flags.StringArrayP("options", "o", nil, "mount options")
	cmd.SetIn(a.stdin)
	cmd.SetOut(a.stdout)
	cmd.SetErr(a.stderr)
	cmd.SetFlagErrorFunc(flagError)
	return cmd
}

// helperCode translates an exit code of ours into one of mount(8), whose codes are bits.
func helperCode(code int) int {
	switch code {
	case exitOK:
		return exitOK
	case exitUsage:
		return helperUsage
	}
	return helperFail
}
