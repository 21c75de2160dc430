package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"safetmp/internal/cgroup"
	"safetmp/internal/config"
	"safetmp/internal/volume"
)

// noGroups is the value of --cgroup that switches groups off.
const noGroups = "none"

// common are the flags of both commands.
type common struct {
	state       string
	group       string
	groupRoot   string
	defaultSize string
	maxVolumes  int
	maxTotal    string
}

// add defines the flags. name is the engine's.
func (c *common) add(set *pflag.FlagSet, name string) {
	set.SortFlags = false
	set.StringVar(&c.state, "state", "/run/safetmp-volume/"+name, "folder that keeps what is known of the volumes")
	set.StringVar(&c.group, "cgroup", "/safetmp-"+name, "where each volume gets a memory cgroup of its own, or none")
	set.StringVar(&c.groupRoot, "cgroup-root", cgroup.DefaultRoot, "where the cgroup hierarchies are mounted")
	set.StringVar(&c.defaultSize, "default-size", "10%", "size of a volume that names none: bytes, k, m, g, or % of memory")
	set.IntVar(&c.maxVolumes, "max-volumes", 0, "how many volumes there may be (0: no limit)")
	set.StringVar(&c.maxTotal, "max-total-size", "50%", "size that all volumes together may promise: bytes, k, m, g, or % of memory")
}

// open checks the flags and opens the volumes.
func (c *common) open(ctx context.Context, targets string, forget bool, env []string) (*volume.Manager, error) {
	system := config.HostSystem()
	if system.EUID != 0 {
		return nil, errors.New("needs root: an engine's volumes are mounted for all users")
	}
	if _, err := config.ResolveSize(system, "--default-size", c.defaultSize); err != nil {
		return nil, err
	}
	total, err := config.ResolveSize(system, "--max-total-size", c.maxTotal)
	if err != nil {
		return nil, err
	}
	if c.maxVolumes < 0 {
		return nil, &config.UsageError{Source: "--max-volumes", Problem: fmt.Sprintf("%d is less than none", c.maxVolumes)}
	}
	groups, err := c.openGroups()
	if err != nil {
		return nil, err
	}
	return volume.Open(ctx, volume.Config{
		State: c.state, Targets: targets, Program: programName, Version: versionText(), Env: env, Groups: groups,
		DefaultSize: c.defaultSize, MaxVolumes: c.maxVolumes, MaxTotal: total, Forget: forget, System: system, Log: slog.Default(),
	})
}

// leave lets the next process take over. The first process of a pid namespace, as that of a managed plugin is, takes the
// daemons of its volumes along when it ends: it has them overwrite first what they hold.
func leave(volumes *volume.Manager) {
	if os.Getpid() == 1 {
		volumes.End(context.Background())
	}
	_ = volumes.Close()
}

// openGroups finds the cgroup hierarchy. Where there is none volumes go without, which the log says.
func (c *common) openGroups() (*cgroup.Parent, error) {
	if c.group == noGroups {
		return nil, nil
	}
	groups, err := cgroup.Open(c.groupRoot, c.group)
	if errors.Is(err, cgroup.ErrName) {
		return nil, &config.UsageError{Source: "--cgroup", Problem: err.Error(), Accepted: noGroups + " or a path such as /safetmp"}
	}
	if errors.Is(err, cgroup.ErrNone) {
		slog.Warn("volumes get no memory cgroup of their own: their memory is charged to this process's group", "reason", err)
		return nil, nil
	}
	return groups, err
}
