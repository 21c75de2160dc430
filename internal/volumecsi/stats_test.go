package volumecsi

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"safetmp/internal/launch/launchtest"
	"safetmp/internal/volume"
)

func TestStatsAreThoseOfStatfs(t *testing.T) {
	d := newDriver(t)
	target := d.publish("v", map[string]string{"size": "8m", "nr_inodes": "50"})
	require.NoError(t, os.WriteFile(filepath.Join(target, "f"), make([]byte, 3<<20), 0o600))
	answer, err := d.node().NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: "v", VolumePath: target})
	require.NoError(t, err)
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(target, &s))
	bytes, inodes := answer.GetUsage()[0], answer.GetUsage()[1]
	assert.EqualValues(t, 8<<20, bytes.GetTotal())
	assert.EqualValues(t, s.Blocks*uint64(s.Bsize), bytes.GetTotal())
	assert.EqualValues(t, (s.Blocks-s.Bfree)*uint64(s.Bsize), bytes.GetUsed())
	assert.EqualValues(t, s.Bavail*uint64(s.Bsize), bytes.GetAvailable())
	assert.GreaterOrEqual(t, bytes.GetUsed(), int64(3<<20))
	assert.EqualValues(t, 50, inodes.GetTotal())
	assert.EqualValues(t, s.Files-s.Ffree, inodes.GetUsed())
	assert.EqualValues(t, s.Ffree, inodes.GetAvailable())

	for _, r := range []*csi.NodeGetVolumeStatsRequest{{VolumeId: "w", VolumePath: target}, {VolumeId: "v", VolumePath: d.target("w")}} {
		_, err = d.node().NodeGetVolumeStats(t.Context(), r)
		assert.Equal(t, codes.NotFound, status.Code(err))
	}
	d.unpublish("v", target)
}

func TestHealth(t *testing.T) {
	d := newDriver(t)
	target := d.publish("v", nil)
	health := func() []*csi.VolumeHealth_VolumeHealthEntry {
		answer, err := d.node().NodeGetVolumeHealth(t.Context(), &csi.NodeGetVolumeHealthRequest{VolumeId: "v", VolumePublishPath: target})
		require.NoError(t, err)
		assert.Equal(t, "v", answer.GetVolumeHealth().GetVolumeId())
		return answer.GetVolumeHealth().GetHealthStatuses()
	}
	assert.Empty(t, health())
	v, err := d.volumes.Get(t.Context(), "v")
	require.NoError(t, err)
	require.Equal(t, volume.Serving, v.Condition)

	launchtest.Stop(t, v.Status.PID)
	require.Len(t, health(), 1)
	assert.Equal(t, csi.VolumeHealthErrorType_INACCESSIBLE, health()[0].GetStatus())
	_, err = d.node().NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: "v", VolumePath: target})
	assert.Equal(t, codes.Internal, status.Code(err), "an answer, although the daemon hangs")

	require.NoError(t, unix.Kill(v.Status.PID, unix.SIGKILL))
	require.Eventually(t, func() bool {
		found := health()
		return len(found) == 1 && found[0].GetStatus() == csi.VolumeHealthErrorType_DATA_LOSS
	}, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, target, d.publish("v", nil), "published again it is there again, empty")
	assert.Empty(t, health())
	require.NoError(t, os.WriteFile(filepath.Join(target, "f"), nil, 0o600))
	d.unpublish("v", target)
}
