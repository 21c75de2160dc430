package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"safetmp/internal/config"
	"safetmp/internal/launch"
)

// mountCommand is `safetmp mount` being parsed.
type mountCommand struct {
	app        *app
	builder    *config.Builder
	foreground bool
	verbose    bool
	checkOnly  bool // mount(8) -f: everything but the mount
}

// newMountCommand builds `safetmp mount`.
func newMountCommand(a *app) *cobra.Command {
	m := &mountCommand{app: a, builder: config.New(config.HostSystem())}
	cmd := &cobra.Command{
		Use:     "mount [flags] DIR",
		Short:   "mount a filesystem for temporary files",
		Long:    mountHelp,
		Example: mountExamples,
		Args:    exactly("DIR"),
		RunE:    func(_ *cobra.Command, args []string) error { return m.run(args[0]) },
	}
	cmd.ValidArgsFunction = completeDirectory
	m.builder.AddFlags(cmd.Flags())
	completeOptions(cmd)
	cmd.Flags().BoolVarP(&m.verbose, "verbose", "v", false, "say how contents are kept out of swap")
	cmd.Flags().BoolVarP(&m.foreground, "foreground", "f", false, "serve in this process until unmounted or signalled")
	return cmd
}

// run checks everything that was said, then mounts.
func (m *mountCommand) run(dir string) error {
	opts, err := m.builder.Finish()
	if err != nil {
		return err
	}
	if opts.Mountpoint, err = filepath.Abs(dir); err != nil {
		return err
	}
	opts.Version = versionText()
	switch {
	case m.checkOnly:
		return nil
	case m.foreground:
		return m.app.serveInForeground(opts, m.tell)
	}
	started, err := m.app.startDaemon(opts)
	if err != nil {
		return err
	}
	m.tell(opts, started)
	return nil
}

// tell says what whoever mounts should know, and with --verbose how contents are protected.
func (m *mountCommand) tell(opts config.Options, started launch.Started) {
	for _, warning := range started.Warnings {
		fmt.Fprintf(m.app.stderr, "%s: warning: %s\n", programName, clean(warning))
	}
	if m.verbose {
		fmt.Fprintf(m.app.stderr, "%s: %s: %s\n", programName, clean(opts.Mountpoint), clean(started.Secrecy))
	}
	m.app.warnOfLongPath(opts.Mountpoint)
}

// A unix socket's path holds 107 bytes (unix(7)); programs add up to some 60 of their own to TMPDIR.
const (
	socketPathBytes = 107
	programsAdd     = 60
)

// warnOfLongPath tells of a mountpoint below which programs cannot make their sockets.
func (a *app) warnOfLongPath(path string) {
	if len(path)+programsAdd > socketPathBytes {
		fmt.Fprintf(a.stderr, "%s: warning: the path has %d bytes; with more than %d some programs cannot make sockets below it\n",
			programName, len(path), socketPathBytes-programsAdd)
	}
}
