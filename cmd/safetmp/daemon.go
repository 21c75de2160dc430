package main

import (
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"safetmp/internal/config"
)

// daemonName is the hidden command that startDaemon executes.
const daemonName = "daemon"

// newDaemonCommand builds the hidden command that serves one mount for startDaemon.
func newDaemonCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    daemonName + " DIR",
		Short:  "serve one mount (used by safetmp mount)",
		Hidden: true,
		Args:   exactly("DIR"),
		RunE:   func(*cobra.Command, []string) error { return a.runDaemon() },
	}
}

// runDaemon serves what the options pipe describes and reports to the status pipe: a failure, or success once the
// filesystem answers. After that nobody listens, so how the mount ends is told by its control socket alone.
func (a *app) runDaemon() error {
	if !isPipe(optionsFD) || !isPipe(statusFD) {
		return usageError(daemonName, "this command is for safetmp's own use", "safetmp mount DIR")
	}
	status := os.NewFile(statusFD, "status")
	defer status.Close()
	unix.CloseOnExec(statusFD)
	opts, err := readOptions(os.NewFile(optionsFD, "options"))
	if err == nil {
		_, err = a.serve(opts, func() error { return sendStatus(status, &failure{Code: exitOK}) })
	}
	if err != nil {
		_ = sendStatus(status, failureOf(err))
	}
	return err
}

// sendStatus writes the one message; it fails if nobody waits for it any more.
func sendStatus(status io.WriteCloser, f *failure) error {
	if err := json.NewEncoder(status).Encode(f); err != nil {
		return err
	}
	return status.Close()
}

// readOptions reads and closes the options pipe.
func readOptions(pipe io.ReadCloser) (opts config.Options, err error) {
	defer pipe.Close()
	err = json.NewDecoder(pipe).Decode(&opts)
	return opts, err
}

// isPipe reports whether an inherited descriptor is what startDaemon passes.
func isPipe(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}
