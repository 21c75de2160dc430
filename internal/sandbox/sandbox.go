package sandbox

import (
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Config is one call of Run.
type Config struct {
	Program string   // the command's file, from LookPath
	Args    []string // Args[0] is the name as the caller wrote it
	Env     []string // "KEY=value"; TMPDIR, TMP and TEMP are set anew

	Plan    Plan
	Options json.RawMessage // for the StartServer that Daemon was given

	Stages []string // where D mounts, best first; made if missing. Others are tried after these
	Hidden []string // folders of ours that the command must not enter

	DaemonWords []string // the arguments that make this program call Daemon

	Stdio     [3]*os.File
	Inherited []int // descriptors from 3 up that the command is to have; Run closes them once it has

	// Note is told, one line at a time, what helps to find out what happens.
	Note func(line string)
}

// Result is how the command ended.
type Result struct {
	// Status is its exit status, or 128 plus the signal that killed it.
	Status int
	// Interrupted says that SIGINT killed it, and that F got one too: a shell that runs F in a loop stops the loop
	// only if F dies of SIGINT as well.
	Interrupted bool
	// Report is the server's line about the wipe.
	Report string
}

// Run runs the command and returns when it has ended, its stragglers are dead and everything is wiped. It forwards
// the signals of this process and stops this process when the command stops; there can be only one Run at a time.
//
// Errors: *Error. Result.Report is set if there was anything to wipe.
func Run(c Config) (Result, error) {
	f := &front{config: c}
	f.listen()
	defer f.deafen()
	if err := f.startDaemon(); err != nil {
		return Result{}, err
	}
	result, err := f.follow()
	_, _ = f.daemon.Wait() // what it had to say it has said
	reclaimTerminal()
	if early, ok := f.signalled(); ok && err != nil {
		return early, nil
	}
	return result, err
}

// startDaemon starts D and tells it what to do.
func (f *front) startDaemon() error {
	alone := privileged()
	c := f.config
	process, l, err := stage(c.DaemonWords, c.Args, c.Env, c.Stdio, daemonAttr(alone))
	if err != nil {
		return namespaceError(err)
	}
	f.daemon, f.link = process, l
	l.send(message{Kind: kindSpec, Spec: &spec{
		Options:    c.Options,
		Program:    raw(c.Program),
		Covers:     raws(c.Plan.Covers),
		Sockets:    raws(c.Plan.Sockets),
		Hidden:     raws(c.Hidden),
		Stages:     raws(c.Stages),
		Inherited:  c.Inherited,
		Ignored:    f.ignored,
		Privileged: alone,
	}})
	letGo(c.Inherited)
	return nil
}

// namespaceError explains why D could not be started in its namespaces (clone(2), user_namespaces(7)).
func namespaceError(err error) error {
	e := failed("starting the sandbox", err)
	for _, refusal := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL} {
		if errors.Is(err, refusal) {
			e.Message = "user namespaces are not available: " + refusal.Error()
			e.Advice = UserNamespaceHint("/proc/sys")
		}
	}
	return e
}
