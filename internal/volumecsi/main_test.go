package volumecsi

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"safetmp/internal/cgroup"
	"safetmp/internal/config"
	"safetmp/internal/hosttest"
	"safetmp/internal/launch/launchtest"
	"safetmp/internal/mount"
	"safetmp/internal/volume"
)

// TestMain makes the test binary the daemon and the watcher of its volumes too.
func TestMain(m *testing.M) {
	if code, was := launchtest.Hidden(); was {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// driver is a driver behind its socket.
type driver struct {
	t       *testing.T
	base    string // kubelet's folder
	socket  string
	config  volume.Config
	server  *grpc.Server
	volumes *volume.Manager
	conn    *grpc.ClientConn
}

func newDriver(t *testing.T) *driver {
	t.Helper()
	hosttest.NeedRoot(t, "as engines do: their volumes are mounted for all users")
	base, err := os.MkdirTemp("", "safetmp-csi-") // a socket's path is short
	require.NoError(t, err)
	d := &driver{t: t, base: filepath.Join(base, "kubelet"), socket: filepath.Join(base, "csi.sock")}
	require.NoError(t, os.Mkdir(d.base, 0o755))
	d.config = volume.Config{
		State: filepath.Join(base, "state"), Targets: d.base, Program: "safetmp-volume", Version: "test", Env: os.Environ(),
		DefaultSize: "16m", MaxVolumes: 20, Forget: true, System: config.HostSystem(), Log: slog.New(slog.DiscardHandler),
	}
	if groups, err := cgroup.Open(cgroup.DefaultRoot, fmt.Sprintf("/safetmp-test-%d", os.Getpid())); err == nil {
		d.config.Groups = groups
	}
	d.start()
	t.Cleanup(func() {
		for _, v := range d.volumes.List() {
			assert.Fail(t, "left behind", "volume %s", v.Name)
		}
		d.stop()
		entries, err := mount.Entries()
		assert.NoError(t, err)
		for _, e := range entries {
			if strings.HasPrefix(e.Mountpoint, base+"/") {
				assert.Fail(t, "left behind", "mount at %s", e.Mountpoint)
				_ = mount.ForceDetach(e)
			}
		}
		assert.NoError(t, os.RemoveAll(base))
	})
	return d
}

// start serves on the socket.
func (d *driver) start() {
	d.t.Helper()
	var err error
	d.volumes, err = volume.Open(d.t.Context(), d.config)
	require.NoError(d.t, err)
	listener, err := net.Listen("unix", d.socket)
	require.NoError(d.t, err)
	d.server = grpc.NewServer()
	Register(d.server, Config{Name: DriverName, Version: "test", NodeID: "node", MaxVolumes: 20}, d.volumes)
	go func() { _ = d.server.Serve(listener) }()
	d.conn, err = grpc.NewClient("unix://"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(d.t, err)
}

// stop ends the driver; volumes stay.
func (d *driver) stop() {
	_ = d.conn.Close()
	d.server.Stop()
	_ = d.volumes.Close()
}

func (d *driver) node() csi.NodeClient { return csi.NewNodeClient(d.conn) }

// target is a path as the kubelet makes them, with its parent.
func (d *driver) target(pod string) string {
	d.t.Helper()
	dir := filepath.Join(d.base, "pods", pod, "volumes/kubernetes.io~csi/scratch")
	require.NoError(d.t, os.MkdirAll(dir, 0o750))
	return filepath.Join(dir, "mount")
}

// request is that of the kubelet for an inline volume.
func (d *driver) request(id, target string, attributes map[string]string) *csi.NodePublishVolumeRequest {
	context := map[string]string{
		ephemeralKey: "true", "csi.storage.k8s.io/pod.name": "p", "csi.storage.k8s.io/pod.uid": "u", "csi.storage.k8s.io/pod.namespace": "n",
		"csi.storage.k8s.io/serviceAccount.name": "default",
	}
	for key, value := range attributes {
		context[key] = value
	}
	return &csi.NodePublishVolumeRequest{
		VolumeId: id, TargetPath: target, VolumeContext: context,
		VolumeCapability: &csi.VolumeCapability{
			AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
			AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
		},
	}
}

// publish publishes a volume at the target of a pod of the same name.
func (d *driver) publish(id string, attributes map[string]string) (target string) {
	d.t.Helper()
	target = d.target(id)
	_, err := d.node().NodePublishVolume(d.t.Context(), d.request(id, target, attributes))
	require.NoError(d.t, err)
	return target
}

func (d *driver) unpublish(id, target string) {
	d.t.Helper()
	began := time.Now()
	_, err := d.node().NodeUnpublishVolume(d.t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: target})
	require.NoError(d.t, err)
	require.Less(d.t, time.Since(began), 20*time.Second)
	assert.NoDirExists(d.t, target)
}
