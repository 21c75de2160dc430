package volumecsi

import (
	"context"
	"errors"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"safetmp/internal/volume"
)

// node implements csi.NodeServer.
type node struct {
	csi.UnimplementedNodeServer
	config  Config
	volumes *volume.Manager
}

// Keys of the volume context that the kubelet adds, with podInfoOnMount; all others are options of the volume.
const (
	kubeletKeys  = "csi.storage.k8s.io/"
	ephemeralKey = "csi.storage.k8s.io/ephemeral"
)

// NodePublishVolume mounts a volume of its own at the target path.
func (n *node) NodePublishVolume(ctx context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if err := checkPublish(r); err != nil {
		return nil, err
	}
	if err := n.checkPlace(ctx, r.GetVolumeId(), r.GetTargetPath()); err != nil {
		return nil, err
	}
	d := volume.Definition{Name: r.GetVolumeId(), Mountpoint: r.GetTargetPath(), Options: optionsOf(r)}
	if err := n.volumes.Create(d); err != nil {
		return nil, statusOf(err)
	}
	if _, err := n.volumes.Mount(ctx, d.Name, d.Mountpoint); err != nil {
		// The kubelet may give up here without an unpublish: nothing stays. Somebody else's use of it is no concern.
		_, _ = n.volumes.Remove(context.WithoutCancel(ctx), d.Name)
		return nil, statusOf(err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

// checkPublish refuses what no volume here can be.
func checkPublish(r *csi.NodePublishVolumeRequest) error {
	capability := r.GetVolumeCapability()
	switch {
	case r.GetVolumeId() == "":
		return missing("volume_id")
	case r.GetTargetPath() == "":
		return missing("target_path")
	case capability == nil:
		return missing("volume_capability")
	case capability.GetMount() == nil:
		return status.Error(codes.InvalidArgument, "volume_capability: only mount volumes exist here")
	case capability.GetMount().GetVolumeMountGroup() != "":
		return status.Error(codes.InvalidArgument, "volume_mount_group: files here are their owner's only; set uid and mode in volumeAttributes")
	case len(capability.GetMount().GetMountFlags()) > 0:
		return status.Error(codes.InvalidArgument, "mount_flags: set options in volumeAttributes, such as noexec")
	case capability.GetMount().GetFsType() != "":
		return status.Error(codes.InvalidArgument, "fs_type: the filesystem is always safetmp")
	case r.GetReadonly():
		return status.Error(codes.InvalidArgument, "readonly: an empty volume that cannot be written is of no use; use readOnly of the container's volumeMounts")
	case r.GetVolumeContext()[ephemeralKey] == "false":
		return status.Error(codes.InvalidArgument, "only ephemeral inline volumes exist here: name the driver in the pod, under volumes.csi")
	}
	return nil
}

// checkPlace refuses a second target path of one volume.
func (n *node) checkPlace(ctx context.Context, id, target string) error {
	v, err := n.volumes.Get(ctx, id)
	if err == nil && v.Mountpoint != target {
		return status.Errorf(codes.FailedPrecondition, "volume %s is published at another path", id)
	}
	return nil
}

// optionsOf are the volumeAttributes of the pod.
func optionsOf(r *csi.NodePublishVolumeRequest) map[string]string {
	options := map[string]string{}
	for key, value := range r.GetVolumeContext() {
		if !strings.HasPrefix(key, kubeletKeys) {
			options[key] = value
		}
	}
	return options
}

// NodeUnpublishVolume wipes the volume and removes the directory it was mounted on. A volume that is not known is gone
// already.
func (n *node) NodeUnpublishVolume(ctx context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	switch {
	case r.GetVolumeId() == "":
		return nil, missing("volume_id")
	case r.GetTargetPath() == "":
		return nil, missing("target_path")
	}
	v, err := n.volumes.Get(ctx, r.GetVolumeId())
	switch {
	case errors.Is(err, volume.ErrNotFound):
		err = n.volumes.Discard(ctx, r.GetTargetPath())
	case err == nil && v.Mountpoint == r.GetTargetPath():
		err = n.unpublish(ctx, v)
	}
	if err != nil {
		return nil, statusOf(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// unpublish takes the one user away, and then the volume.
func (n *node) unpublish(ctx context.Context, v volume.Volume) error {
	err := n.volumes.Unmount(v.Name, v.Mountpoint)
	if err == nil {
		_, err = n.volumes.Remove(ctx, v.Name)
	}
	if errors.Is(err, volume.ErrNotFound) {
		return nil // another unpublish was faster
	}
	return err
}

// NodeGetCapabilities lists what the node service has beside publishing.
func (n *node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	answer := &csi.NodeGetCapabilitiesResponse{}
	for _, one := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		csi.NodeServiceCapability_RPC_GET_VOLUME_HEALTH,
	} {
		answer.Capabilities = append(answer.Capabilities, &csi.NodeServiceCapability{
			Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: one}},
		})
	}
	return answer, nil
}

// NodeGetInfo names this machine and says how many volumes it takes.
func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.config.NodeID, MaxVolumesPerNode: int64(n.config.MaxVolumes)}, nil
}
