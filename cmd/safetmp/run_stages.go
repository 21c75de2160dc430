package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"safetmp/internal/config"
	"safetmp/internal/daemon"
	"safetmp/internal/launch"
	"safetmp/internal/mount"
	"safetmp/internal/sandbox"
)

// The stages that run executes this program as; see package sandbox.
const (
	runDaemonName = "run-daemon"
	runInitName   = "run-init"
)

// stageOfRun reads the arguments of a stage: the number of its link, "--", the command's arguments.
func stageOfRun(stage func(fd int, args []string) error) func(*app, []string) error {
	return func(a *app, args []string) error {
		name := a.args[1]
		if len(args) < 3 || args[1] != "--" {
			return usageError(name, "this command is for safetmp's own use", "safetmp run -- CMD")
		}
		fd, err := strconv.Atoi(args[0])
		if err != nil || fd < 3 {
			return usageError(name, "this command is for safetmp's own use", "safetmp run -- CMD")
		}
		return stage(fd, args[2:])
	}
}

// runDaemonStage is the process that serves.
func runDaemonStage(fd int, args []string) error {
	var served runServer
	err := sandbox.Daemon(fd, []string{runInitName}, args, served.start)
	if served.daemon != nil {
		served.daemon.Close()
	}
	return err
}

// runServer is the filesystem of `run` as package sandbox wants it.
type runServer struct {
	options config.Options
	mounted *mount.Mounted
	daemon  *daemon.Daemon // nil if it does not serve
}

// runOptions travel from the front to the process that serves.
type runOptions struct {
	config.Options
	// Log says that the daemon's log may go to the command's standard error.
	Log bool `json:"log"`
}

// start mounts.
func (s *runServer) start(options json.RawMessage, mountpoint string) (sandbox.Server, error) {
	var opts runOptions
	if err := json.Unmarshal(options, &opts); err != nil {
		return nil, err
	}
	if !opts.Log {
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	opts.Mountpoint = mountpoint
	mounted, err := launch.Attach(opts.Options)
	if err != nil {
		return nil, err
	}
	_ = mounted.Covered.Close()
	s.options, s.mounted = opts.Options, mounted
	return s, nil
}

// Serve serves what is mounted, and takes from this process what it does not need any more.
func (s *runServer) Serve() error {
	d, err := daemon.Start(s.options, s.mounted)
	if err != nil {
		return err
	}
	s.daemon = d
	slog.Info(d.Secrecy())
	return nil
}

// Done is closed when the filesystem has ended.
func (s *runServer) Done() <-chan struct{} { return s.daemon.Ended() }

// Shutdown ends and wipes the filesystem. One that was not served holds nothing and ends with its namespace.
func (s *runServer) Shutdown() (string, error) {
	if s.daemon == nil {
		return "", nil
	}
	status := s.daemon.Status()
	refusals, warnings := status.Refusals, status.Warnings
	report, err := s.daemon.Shutdown(true)
	if err == nil {
		err = wipeFailure("", report)
	}
	line := fmt.Sprintf("%s overwritten in %s, nothing is left", sizeText(report.Wiped), durationText(report.Duration))
	return line + countedRules("; refused: ", refusals) + countedRules("; would have been refused: ", warnings), err
}

// countedRules lists rules with how often each decided, nothing if none did.
func countedRules(title string, counts map[string]uint64) string {
	var parts []string
	for _, rule := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", rule, counts[rule]))
	}
	if len(parts) == 0 {
		return ""
	}
	return title + strings.Join(parts, ", ")
}
