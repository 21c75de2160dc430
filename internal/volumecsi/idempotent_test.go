package volumecsi

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"safetmp/internal/mount"
	"safetmp/internal/volume"
)

func TestPublishIsIdempotent(t *testing.T) {
	d := newDriver(t)
	attributes := map[string]string{"size": "1m", "noexec": "true"}
	target := d.publish("v", attributes)
	file := filepath.Join(target, "f")
	require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	for range 3 {
		d.publish("v", attributes)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(text))

	// The table under NodePublishVolume of the specification.
	_, err = d.node().NodePublishVolume(t.Context(), d.request("v", target, map[string]string{"size": "2m"}))
	assert.Equal(t, codes.AlreadyExists, status.Code(err), "same path, other arguments")
	for _, other := range []map[string]string{attributes, {"size": "2m"}} {
		_, err = d.node().NodePublishVolume(t.Context(), d.request("v", d.target("other"), other))
		assert.Equal(t, codes.FailedPrecondition, status.Code(err), "another path")
	}
	assert.FileExists(t, file)
	_, err = d.node().NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: d.target("other")})
	require.NoError(t, err)
	assert.FileExists(t, file, "an unpublish of another path is not that of this one")
	for range 3 {
		d.unpublish("v", target)
	}
}

// The driver is restarted while volumes are published, and once more with its state lost.
func TestDriverRestarts(t *testing.T) {
	d := newDriver(t)
	target := d.publish("v", nil)
	require.NoError(t, os.WriteFile(filepath.Join(target, "f"), []byte("kept"), 0o600))
	d.stop()
	assert.FileExists(t, filepath.Join(target, "f"), "the pod goes on")
	d.start()
	d.publish("v", nil)
	assert.FileExists(t, filepath.Join(target, "f"))
	d.unpublish("v", target)

	target = d.publish("w", nil)
	d.stop()
	require.NoError(t, os.RemoveAll(d.config.State))
	d.start()
	d.unpublish("w", target)
}

// After a reboot there is a directory, and nothing else.
func TestUnpublishAfterReboot(t *testing.T) {
	d := newDriver(t)
	target := d.target("v")
	require.NoError(t, os.Mkdir(target, 0o750))
	d.unpublish("v", target)
	require.NoError(t, os.RemoveAll(filepath.Dir(target)))
	d.unpublish("v", target)
}

func TestPublishRefuses(t *testing.T) {
	d := newDriver(t)
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(d.base, "link")))
	target := d.target("v")
	for name, c := range map[string]struct {
		change func(*csi.NodePublishVolumeRequest)
		code   codes.Code
		says   string
	}{
		"unknown attribute": {func(r *csi.NodePublishVolumeRequest) { r.VolumeContext["sise"] = "1m" }, codes.InvalidArgument, `option "sise": unknown`},
		"bad size":          {func(r *csi.NodePublishVolumeRequest) { r.VolumeContext["size"] = "lots" }, codes.InvalidArgument, "option size: "},
		"a host file":       {func(r *csi.NodePublishVolumeRequest) { r.VolumeContext["policy"] = "/etc/shadow" }, codes.InvalidArgument, "option policy: refused"},
		"not inline":        {func(r *csi.NodePublishVolumeRequest) { r.VolumeContext[ephemeralKey] = "false" }, codes.InvalidArgument, "ephemeral"},
		"read-only":         {func(r *csi.NodePublishVolumeRequest) { r.Readonly = true }, codes.InvalidArgument, "readonly"},
		"group": {func(r *csi.NodePublishVolumeRequest) { r.VolumeCapability.GetMount().VolumeMountGroup = "1000" },
			codes.InvalidArgument, "volume_mount_group"},
		"flags": {func(r *csi.NodePublishVolumeRequest) { r.VolumeCapability.GetMount().MountFlags = []string{"suid"} },
			codes.InvalidArgument, "mount_flags"},
		"type": {func(r *csi.NodePublishVolumeRequest) { r.VolumeCapability.GetMount().FsType = "ext4" }, codes.InvalidArgument, "fs_type"},
		"block": {func(r *csi.NodePublishVolumeRequest) {
			r.VolumeCapability.AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
		}, codes.InvalidArgument, "mount volumes"},
		"outside":  {func(r *csi.NodePublishVolumeRequest) { r.TargetPath = outside + "/x" }, codes.InvalidArgument, "not a place"},
		"up":       {func(r *csi.NodePublishVolumeRequest) { r.TargetPath = d.base + "/../x" }, codes.InvalidArgument, "not a place"},
		"a link":   {func(r *csi.NodePublishVolumeRequest) { r.TargetPath = d.base + "/link/x" }, codes.InvalidArgument, "not a place"},
		"bad id":   {func(r *csi.NodePublishVolumeRequest) { r.VolumeId = "../v" }, codes.InvalidArgument, "not a name"},
		"too many": {func(r *csi.NodePublishVolumeRequest) { r.VolumeContext["size"] = "1m" }, codes.ResourceExhausted, "limit"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.code == codes.ResourceExhausted {
				d.stop()
				d.config.MaxTotal = 4096
				d.start()
			}
			r := d.request("v", target, nil)
			c.change(r)
			_, err := d.node().NodePublishVolume(t.Context(), r)
			require.Equal(t, c.code, status.Code(err), "%v", err)
			assert.Contains(t, err.Error(), c.says)
			assert.NotContains(t, err.Error(), "\n")
			assert.NoDirExists(t, target, "nothing is left of it")
			assert.Empty(t, d.volumes.List())
		})
		if c.code == codes.ResourceExhausted {
			d.stop()
			d.config.MaxTotal = 0
			d.start()
		}
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// The kubelet may call in any order, and at the same time.
func TestConcurrentPublish(t *testing.T) {
	d := newDriver(t)
	var done sync.WaitGroup
	for pod := range 4 {
		id := fmt.Sprint("v", pod)
		target := d.target(id)
		for range 3 {
			done.Go(func() {
				_, err := d.node().NodePublishVolume(t.Context(), d.request(id, target, nil))
				assert.NoError(t, err)
			})
		}
	}
	done.Wait()
	assert.Len(t, d.volumes.List(), 4)
	mounted := 0
	entries, err := mount.Entries()
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Mountpoint, d.base+"/") {
			mounted++
		}
	}
	assert.Equal(t, 4, mounted)
	for pod := range 4 {
		id := fmt.Sprint("v", pod)
		for range 3 {
			done.Go(func() {
				_, err := d.node().NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: d.target(id)})
				assert.NoError(t, err)
			})
		}
	}
	done.Wait()
	assert.Empty(t, d.volumes.List())
}

func TestEveryCauseHasACode(t *testing.T) {
	assert.NoError(t, statusOf(nil))
	for cause, code := range map[error]codes.Code{
		volume.ErrName: codes.InvalidArgument, volume.ErrTarget: codes.InvalidArgument, volume.ErrNotFound: codes.NotFound,
		volume.ErrDiffers: codes.AlreadyExists, volume.ErrLimit: codes.ResourceExhausted, volume.ErrInUse: codes.FailedPrecondition,
		volume.ErrLost: codes.FailedPrecondition, os.ErrPermission: codes.Internal,
	} {
		assert.Equal(t, code, status.Code(statusOf(fmt.Errorf("v: %w", cause))), cause)
	}
}
