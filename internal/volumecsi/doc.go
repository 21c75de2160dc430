// Package volumecsi is the Kubernetes driver: the Identity and Node services of the Container Storage Interface, for
// ephemeral inline volumes.
//
// # Purpose
//
// Register adds both services to a gRPC server. A volume begins with NodePublishVolume and ends with NodeUnpublishVolume;
// there is no controller, no staging, and no volume that outlives its pod.
//
// # Guarantees
//
//   - Publish and unpublish are idempotent, also when the driver was restarted in between: repeated with the same
//     arguments they are OK; published again at the same path with others it is ALREADY_EXISTS, at another path
//     FAILED_PRECONDITION (the table under NodePublishVolume of the specification).
//   - A target path is below the kubelet's folder and leads through directories only.
//   - Unpublish returns once the contents are overwritten.
//   - Statistics are those of statfs(2).
//
// # Not guaranteed
//
// fsGroup has no effect: files are their owner's only. The driver has no VOLUME_MOUNT_GROUP, refuses a mount group, and
// its CSIDriver object says fsGroupPolicy None, so that the kubelet does not walk the volume to change modes that are
// masked anyway. The root of a volume is mode 1733: every user of the pod makes files, and has them alone.
//
// # Errors
//
// gRPC status codes, chosen in one place (errors.go).
package volumecsi
