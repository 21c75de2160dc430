package volumedocker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	api "github.com/docker/go-plugins-helpers/volume"

	"safetmp/internal/control"
	"safetmp/internal/volume"
)

// driver implements api.Driver. Its methods run concurrently, one goroutine for each request.
type driver struct {
	ctx     context.Context // of the server: the protocol's helpers hand on none
	volumes *volume.Manager
	log     *slog.Logger
}

// New returns the handler of the plugin. Mounts that are being started end with ctx.
func New(ctx context.Context, volumes *volume.Manager, log *slog.Logger) *api.Handler {
	return api.NewHandler(&driver{ctx, volumes, log})
}

// Create implements api.Driver.
func (d *driver) Create(r *api.CreateRequest) error {
	return d.note("create", r.Name, d.volumes.Create(volume.Definition{Name: r.Name, Options: r.Options}))
}

// Mount implements api.Driver.
func (d *driver) Mount(r *api.MountRequest) (*api.MountResponse, error) {
	path, err := d.volumes.Mount(d.ctx, r.Name, r.ID)
	return &api.MountResponse{Mountpoint: path}, d.note("mount", r.Name, err)
}

// Unmount implements api.Driver.
func (d *driver) Unmount(r *api.UnmountRequest) error {
	return d.note("unmount", r.Name, d.volumes.Unmount(r.Name, r.ID))
}

// Remove implements api.Driver.
func (d *driver) Remove(r *api.RemoveRequest) error {
	report, err := d.volumes.Remove(d.ctx, r.Name)
	if err == nil {
		d.log.Info("volume removed", "volume", r.Name, "overwritten", report.Wiped, "duration", report.Duration, "complete", report.Complete)
	}
	return d.note("remove", r.Name, err)
}

// Path implements api.Driver. A volume that is not mounted has no path.
func (d *driver) Path(r *api.PathRequest) (*api.PathResponse, error) {
	v, err := d.volumes.Get(d.ctx, r.Name)
	if err != nil {
		return nil, err
	}
	return &api.PathResponse{Mountpoint: pathOf(v)}, nil
}

// Get implements api.Driver.
func (d *driver) Get(r *api.GetRequest) (*api.GetResponse, error) {
	v, err := d.volumes.Get(d.ctx, r.Name)
	if err != nil {
		return nil, err
	}
	shown := describe(v)
	shown.Mountpoint = pathOf(v)
	shown.Status = map[string]any{"condition": string(v.Condition), "users": len(v.Users)}
	if v.Status != nil {
		describeStatus(shown.Status, *v.Status)
	}
	return &api.GetResponse{Volume: shown}, nil
}

// List implements api.Driver.
func (d *driver) List() (*api.ListResponse, error) {
	answer := &api.ListResponse{Volumes: []*api.Volume{}}
	for _, v := range d.volumes.List() {
		answer.Volumes = append(answer.Volumes, describe(v))
	}
	return answer, nil
}

// Capabilities implements api.Driver: a volume is memory of this machine.
func (d *driver) Capabilities() *api.CapabilitiesResponse {
	return &api.CapabilitiesResponse{Capabilities: api.Capability{Scope: "local"}}
}

// note logs a request that failed.
func (d *driver) note(op, name string, err error) error {
	if err != nil {
		d.log.Warn("refused", "operation", op, "volume", name, "error", err)
	}
	return err
}

func describe(v volume.Volume) *api.Volume {
	return &api.Volume{Name: v.Name, CreatedAt: v.Created.Format(time.RFC3339)}
}

// pathOf is the mountpoint of a volume that is mounted.
func pathOf(v volume.Volume) string {
	if v.Condition == volume.Serving || v.Condition == volume.Silent {
		return v.Mountpoint
	}
	return ""
}

// describeStatus adds what the daemon tells, for `docker volume inspect`.
func describeStatus(shown map[string]any, s control.Status) {
	shown["used"] = fmt.Sprintf("%d of %d bytes", s.Bytes, s.Limit)
	shown["inodes"] = fmt.Sprintf("%d of %d", s.Inodes, s.InodeLimit)
	shown["profile"] = s.Profile
	shown["enforcing"] = s.Enforcing
	shown["locked"] = s.Locked
	shown["encrypted"] = s.Encrypted
	shown["pid"] = s.PID
	shown["refusals"] = s.Refusals
}
