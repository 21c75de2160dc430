package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/control"
	"safetmp/internal/sandbox"
)

// runCommand is `safetmp run` being parsed.
type runCommand struct {
	app     *app
	builder *config.Builder
	covers  []string
	sockets []string
	report  bool
	verbose bool
}

// newRunCommand builds `safetmp run`.
func newRunCommand(a *app) *cobra.Command {
	r := &runCommand{app: a, builder: config.New(config.HostSystem())}
	cmd := &cobra.Command{
		Use:     "run [flags] [--] CMD [ARG...]",
		Short:   "run a command with a private TMPDIR",
		Long:    runHelp,
		Example: runExamples,
		Args:    atLeastCommand,
		RunE:    func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	cmd.ValidArgsFunction = a.completeCommand
	r.builder.AddFlags(cmd.Flags())
	completeOptions(cmd)
	flags := cmd.Flags()
	flags.SetInterspersed(false) // the command's own flags are not ours
	flags.Var(&wordList{words: &r.covers, kind: "DIRS", split: true}, "cover", "what to cover, comma-separated, none for only TMPDIR (default /tmp,/var/tmp)")
	flags.Var(&wordList{words: &r.sockets, kind: "PATH"}, "bind-socket", "let a socket, or a directory of them, through; may be repeated")
	flags.BoolVar(&r.report, "report", false, "say on standard error how much was overwritten at the end")
	flags.BoolVarP(&r.verbose, "verbose", "v", false, "say what is set up, and the report")
	return cmd
}

// atLeastCommand wants a command to run.
func atLeastCommand(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError("run", "no command given", "run [flags] -- CMD [ARG...]")
	}
	return nil
}

// run prepares the sandbox, runs the command in it and ends with its status.
func (r *runCommand) run(cmd *cobra.Command, args []string) error {
	inherited := sandbox.InheritedDescriptors()
	opts, err := r.builder.Finish()
	if err != nil {
		return err
	}
	opts.Version = versionText()
	if int(opts.UID) != os.Geteuid() {
		return usageError("--uid", "the command runs as you, and only the owner may enter", "safetmp mount --uid")
	}
	c, err := r.sandboxOf(opts, cmd.Flags().Changed("cover"), args)
	if err != nil {
		return runFailure(err)
	}
	c.Inherited = inherited
	result, err := sandbox.Run(c)
	if result.Report != "" && (r.report || r.verbose) {
		r.note(result.Report)
	}
	if err != nil {
		return runFailure(err)
	}
	if result.Interrupted {
		dieOfInterrupt()
	}
	return exitWith(result.Status)
}

// sandboxOf decides what the command will see.
func (r *runCommand) sandboxOf(opts config.Options, chosen bool, args []string) (sandbox.Config, error) {
	program, err := sandbox.LookPath(args[0], r.app.getenv("PATH"))
	if err != nil {
		return sandbox.Config{}, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return sandbox.Config{}, fmt.Errorf("working directory: %w", err)
	}
	wish := sandbox.Wish{Sockets: r.sockets, Strict: opts.Profile == "strict", Dir: dir, Program: program}
	if chosen {
		wish.Covers = chosenCovers(r.covers)
	}
	plan, err := sandbox.MakePlan(wish)
	if err != nil {
		return sandbox.Config{}, err
	}
	if plan.Warning != "" {
		r.note("warning: " + plan.Warning)
	}
	encoded, err := json.Marshal(runOptions{Options: opts, Log: r.verbose})
	if err != nil {
		return sandbox.Config{}, err
	}
	c := sandbox.Config{
		Program: program, Args: args, Env: r.app.env, Plan: plan, Options: encoded,
		DaemonWords: []string{runDaemonName},
		Stdio:       [3]*os.File{os.Stdin, os.Stdout, os.Stderr},
		Note:        r.noteIfVerbose,
	}
	if folder, err := control.Folder(); err == nil {
		c.Hidden, c.Stages = []string{folder}, []string{filepath.Join(folder, "run")}
	}
	return c, nil
}

// chosenCovers reads the value of --cover, where "none" means nothing.
func chosenCovers(dirs []string) []string {
	if len(dirs) == 1 && dirs[0] == "none" {
		return []string{}
	}
	return dirs
}

// note prints one line of ours.
func (r *runCommand) note(line string) {
	fmt.Fprintf(r.app.stderr, "%s: %s\n", programName, clean(line))
}

func (r *runCommand) noteIfVerbose(line string) {
	if r.verbose {
		r.note(line)
	}
}

// runFailure gives an error of the sandbox its exit code.
func runFailure(err error) error {
	var ours *sandbox.Error
	var usage *sandbox.UsageError
	switch {
	case errors.As(err, &ours):
		return &failure{Code: ours.Status, Message: "run: " + ours.Message, Hint: ours.Advice}
	case errors.As(err, &usage):
		return usageError(strings.TrimSpace(usage.Flag+" "+usage.Value), usage.Problem, "an absolute path")
	}
	return &failure{Code: exitRunFailed, Message: "run: " + err.Error()}
}

// dieOfInterrupt ends this process by SIGINT, as the command ended: a shell that runs us in a loop stops the loop only
// then. Everything is wiped by now.
func dieOfInterrupt() {
	signal.Reset(unix.SIGINT)
	_ = unix.Kill(unix.Getpid(), unix.SIGINT)
}
