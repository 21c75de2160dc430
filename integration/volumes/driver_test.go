//go:build linux

package volumes

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"safetmp/internal/hosttest"
)

const (
	driverImage   = "safetmp-volume-it"
	kubeletFolder = "/var/lib/kubelet"
)

// driver is the driver of Kubernetes in a container as deploy/kubernetes/daemonset.yaml has it. The test does what the
// kubelet would, and its pods are containers of Docker.
type driver struct {
	t       testing.TB
	kubelet string // the kubelet's folder on the machine
	inside  string // that folder as the driver has it
	flags   []string
	args    []string
	node    csi.NodeClient
}

func newDriver(t *testing.T) *driver {
	t.Helper()
	d := &driver{t: t, kubelet: filepath.Join(suite.Base, "kubelet"), inside: kubeletFolder}
	// Mounts have to reach the machine from the container: systemd makes all mounts shared, not every machine has it.
	require.NoError(t, os.MkdirAll(filepath.Join(d.kubelet, "plugins_registry"), 0o755))
	require.NoError(t, unix.Mount(d.kubelet, d.kubelet, "", unix.MS_BIND, ""))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(d.kubelet, unix.MNT_DETACH)) })
	require.NoError(t, unix.Mount("", d.kubelet, "", unix.MS_SHARED, ""))
	require.NoError(t, suite.docker.importImage(filepath.Join(pluginFolder(t), "rootfs"), driverImage, "-c", `ENTRYPOINT ["/safetmp-volume"]`))
	d.readManifest()
	d.connect(filepath.Join(d.kubelet, "plugins/safetmp.csi.safetmp.dev/csi.sock"))
	return d
}

// connect makes the client of a socket, which need not be there yet.
func (d *driver) connect(socket string) {
	d.t.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = conn.Close() })
	d.node = csi.NewNodeClient(conn)
}

// readManifest turns the pod of the DaemonSet into flags of docker.
func (d *driver) readManifest() {
	text, err := os.ReadFile("../../deploy/kubernetes/daemonset.yaml")
	require.NoError(d.t, err)
	var set appsv1.DaemonSet
	require.NoError(d.t, yaml.UnmarshalStrict(text, &set))
	pod := set.Spec.Template.Spec
	container := pod.Containers[0]
	require.True(d.t, pod.HostPID)
	require.True(d.t, *container.SecurityContext.Privileged)
	require.True(d.t, *container.SecurityContext.ReadOnlyRootFilesystem)
	// Instead of --privileged, which a machine refuses that itself lacks one of all capabilities: what it is needed for.
	d.flags = []string{"--pid", "host", "--network", "none", "--read-only", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined",
		"--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"}
	folders := map[string]corev1.HostPathVolumeSource{}
	for _, v := range pod.Volumes {
		folders[v.Name] = *v.HostPath
	}
	for _, m := range container.VolumeMounts {
		d.flags = append(d.flags, d.mountFlags(m, folders[m.Name])...)
	}
	for _, arg := range container.Args {
		d.args = append(d.args, strings.ReplaceAll(arg, "$(NODE_NAME)", "node"))
	}
	d.args = append(d.args, "--cgroup="+suite.group+"-csi")
}

// mountFlags are those of one mount; the kubelet's folder and the driver's state are those of this run.
func (d *driver) mountFlags(m corev1.VolumeMount, source corev1.HostPathVolumeSource) []string {
	if *source.Type == corev1.HostPathCharDev {
		return []string{"--device", source.Path + ":" + m.MountPath}
	}
	path := source.Path
	if rest, ok := strings.CutPrefix(path, kubeletFolder); ok {
		path = d.kubelet + rest
	}
	if path == "/run/safetmp-volume" {
		path = filepath.Join(suite.Base, "csi-state")
	}
	require.NoError(d.t, os.MkdirAll(path, 0o700))
	bind := path + ":" + m.MountPath
	if m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional {
		bind += ":rshared"
	}
	return []string{"-v", bind}
}

// start starts the container and returns once the driver answers, with its id.
func (d *driver) start() (id string) {
	d.t.Helper()
	args := append(append([]string{"run", "-d"}, d.flags...), driverImage)
	id = suite.docker.do(d.t, append(args, d.args...)...)
	d.t.Cleanup(func() { _, _ = suite.docker.try("rm", "-f", id) })
	info := d.info()
	assert.Equal(d.t, "node", info.GetNodeId())
	assert.EqualValues(d.t, 100, info.GetMaxVolumesPerNode())
	return id
}

// info is what the driver says of itself, once it answers.
func (d *driver) info() *csi.NodeGetInfoResponse {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	info, err := d.node.NodeGetInfo(ctx, &csi.NodeGetInfoRequest{}, grpc.WaitForReady(true))
	require.NoError(d.t, err)
	return info
}

// publish publishes a volume for a pod, and returns where it is on the machine.
func (d *driver) publish(id string) string {
	d.t.Helper()
	_, err := d.node.NodePublishVolume(d.t.Context(), publishRequest(id, d.target(id, d.inside)))
	require.NoError(d.t, err)
	return d.target(id, d.kubelet)
}

// publishRequest is that of the kubelet for an inline volume of 4 MiB.
func publishRequest(id, target string) *csi.NodePublishVolumeRequest {
	return &csi.NodePublishVolumeRequest{
		VolumeId: id, TargetPath: target, VolumeContext: map[string]string{"csi.storage.k8s.io/ephemeral": "true", "size": "4m"},
		VolumeCapability: &csi.VolumeCapability{
			AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
			AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
		},
	}
}

// target is the path of a pod's volume below the kubelet's folder, with its parent.
func (d *driver) target(id, kubelet string) string {
	parent := filepath.Join("pods", id, "volumes/kubernetes.io~csi/scratch")
	require.NoError(d.t, os.MkdirAll(filepath.Join(d.kubelet, parent), 0o750))
	return filepath.Join(kubelet, parent, "mount")
}

func (d *driver) unpublish(id string) {
	d.t.Helper()
	_, err := d.node.NodeUnpublishVolume(d.t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: d.target(id, d.inside)})
	require.NoError(d.t, err)
	assert.NoDirExists(d.t, d.target(id, d.kubelet))
}

// The driver's container is replaced while a pod uses its volume.
func TestDriverInItsContainer(t *testing.T) {
	d := newDriver(t)
	first := d.start()
	path := d.publish("pod-a")
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(path, &s))
	assert.EqualValues(t, 4<<20, s.Blocks*uint64(s.Bsize), "mounted on the machine")
	stats, err := d.node.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: "pod-a", VolumePath: d.target("pod-a", kubeletFolder)})
	require.NoError(t, err)
	assert.EqualValues(t, 4<<20, stats.GetUsage()[0].GetTotal())
	pod := suite.docker.background(t, path+":/tmp")
	suite.docker.exec(t, pod, "echo kept > /tmp/f")

	suite.docker.do(t, "rm", "-f", first)
	assert.Equal(t, "kept", suite.docker.exec(t, pod, "cat /tmp/f"), "without the driver")
	second := d.start()
	d.publish("pod-a")
	assert.Equal(t, "kept", suite.docker.exec(t, pod, "cat /tmp/f; echo more > /tmp/g"))
	health, err := d.node.NodeGetVolumeHealth(t.Context(), &csi.NodeGetVolumeHealthRequest{VolumeId: "pod-a"})
	require.NoError(t, err)
	assert.Empty(t, health.GetVolumeHealth().GetHealthStatuses())

	suite.docker.do(t, "rm", "-f", pod)
	d.unpublish("pod-a")
	d.unpublish("pod-a")
	suite.docker.do(t, "stop", second)
	assert.Equal(t, []string{d.kubelet}, hosttest.MountsBelow(d.kubelet), "the folder itself alone")
}
