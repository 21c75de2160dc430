package volumecsi

import (
	"context"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"safetmp/internal/volume"
)

// NodeGetVolumeStats tells size and use, as statfs(2) does.
func (n *node) NodeGetVolumeStats(ctx context.Context, r *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	switch {
	case r.GetVolumeId() == "":
		return nil, missing("volume_id")
	case r.GetVolumePath() == "":
		return nil, missing("volume_path")
	}
	v, err := n.volumes.Get(ctx, r.GetVolumeId())
	switch {
	case err != nil:
		return nil, statusOf(err)
	case v.Mountpoint != r.GetVolumePath():
		return nil, status.Errorf(codes.NotFound, "volume %s is not at that path", v.Name)
	case v.Condition != volume.Serving:
		return nil, status.Errorf(codes.Internal, "volume %s: its daemon does not answer (%s)", v.Name, v.Condition)
	}
	s, err := statfs(ctx, v.Mountpoint)
	if err != nil {
		return nil, statusOf(err)
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: usageOf(s)}, nil
}

// usageOf puts statfs(2) into the form of the interface.
func usageOf(s unix.Statfs_t) []*csi.VolumeUsage {
	return []*csi.VolumeUsage{
		{
			Unit: csi.VolumeUsage_BYTES, Total: int64(s.Blocks) * s.Bsize, Available: int64(s.Bavail) * s.Bsize,
			Used: int64(s.Blocks-s.Bfree) * s.Bsize,
		},
		{Unit: csi.VolumeUsage_INODES, Total: int64(s.Files), Available: int64(s.Ffree), Used: int64(s.Files - s.Ffree)},
	}
}

// statfsBound is how long a daemon that just answered may take for a request.
const statfsBound = 5 * time.Second

// statfs asks the filesystem. Should its daemon stop answering in this moment, a thread waits for it, the caller does
// not.
func statfs(ctx context.Context, path string) (unix.Statfs_t, error) {
	ctx, cancel := context.WithTimeout(ctx, statfsBound)
	defer cancel()
	type result struct {
		statistics unix.Statfs_t
		err        error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = unix.Statfs(path, &r.statistics)
		done <- r
	}()
	select {
	case r := <-done:
		return r.statistics, r.err
	case <-ctx.Done():
		return unix.Statfs_t{}, ctx.Err()
	}
}

// NodeGetVolumeHealth tells whether the volume's daemon is there. No entry means that nothing is wrong.
func (n *node) NodeGetVolumeHealth(ctx context.Context, r *csi.NodeGetVolumeHealthRequest) (*csi.NodeGetVolumeHealthResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, missing("volume_id")
	}
	v, err := n.volumes.Get(ctx, r.GetVolumeId())
	switch {
	case err != nil:
		return nil, statusOf(err)
	case r.GetVolumePublishPath() != "" && v.Mountpoint != r.GetVolumePublishPath():
		return nil, status.Errorf(codes.NotFound, "volume %s is not at that path", v.Name)
	}
	health := &csi.VolumeHealth{VolumeId: v.Name}
	switch v.Condition {
	case volume.Lost:
		health.HealthStatuses = []*csi.VolumeHealth_VolumeHealthEntry{{
			Status: csi.VolumeHealthErrorType_DATA_LOSS, Reason: "DaemonDied", Message: volume.ErrLost.Error(),
		}}
	case volume.Silent:
		health.HealthStatuses = []*csi.VolumeHealth_VolumeHealthEntry{{
			Status: csi.VolumeHealthErrorType_INACCESSIBLE, Reason: "DaemonSilent", Message: "the volume's daemon does not answer",
		}}
	}
	return &csi.NodeGetVolumeHealthResponse{VolumeHealth: health}, nil
}
