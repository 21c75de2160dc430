package volumecsi

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// skips are the parts of csi-sanity that this driver has no use for, with the reason. A part that is skipped without a
// row here fails the test, and so does a row that skips nothing.
var skips = map[string]string{
	"[Controller Server]":                      "there is no controller: volumes are made by the pod that names them",
	"GroupController":                          "there are no snapshots",
	"NodeStageVolume":                          "a volume is mounted where it is used",
	"NodeUnstageVolume":                        "a volume is mounted where it is used",
	"NodeExpandVolume":                         "the size is a promise to the machine, made once",
	"NodeGetStorageHealth":                     "there is no storage behind the volumes",
	"with single node multi writer capability": "a volume has one target",
	"Node Service should work":                 "needs a controller; idempotent_test.go has it",
	"Node Service should be idempotent":        "needs a controller; idempotent_test.go has it",
}

// csi-sanity is the interface's own suite.
func TestSanity(t *testing.T) {
	d := newDriver(t)
	config := sanity.NewTestConfig()
	config.Address = "unix://" + d.socket
	config.ControllerAddress = standInController(t)
	config.TargetPath = filepath.Join(d.base, "target")
	config.StagingPath = filepath.Join(d.base, "staging")
	sanity.GinkgoTest(&config)
	gomega.RegisterFailHandler(ginkgo.Fail)
	used, ran := map[string]bool{}, 0
	ginkgo.ReportAfterEach(func(r ginkgo.SpecReport) {
		switch r.State {
		case types.SpecStatePassed:
			ran++
		case types.SpecStateSkipped, types.SpecStatePending:
			noteSkip(t, used, r.FullText())
		}
	})
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.SkipStrings = []string{`\[Controller Server\]`}
	reporter.Succinct = true
	assert.True(t, ginkgo.RunSpecs(t, "csi-sanity", suite, reporter))
	assert.GreaterOrEqual(t, ran, 17)
	for name := range skips {
		assert.True(t, used[name], "nothing of csi-sanity is called %q any more", name)
	}
}

// noteSkip holds one skipped part against the table.
func noteSkip(t *testing.T, used map[string]bool, text string) {
	for name := range skips {
		if strings.Contains(text, name) {
			used[name] = true
			return
		}
	}
	assert.Fail(t, "skipped without a reason", text)
}

// controller stands in for the kubelet, which names ephemeral volumes and needs no controller for it: the suite asks one
// for the volumes that it then has the driver publish.
type controller struct {
	csi.UnimplementedControllerServer
}

func standInController(t *testing.T) (address string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "safetmp-csi-")
	require.NoError(t, err)
	socket := filepath.Join(dir, "controller.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := grpc.NewServer()
	csi.RegisterControllerServer(server, controller{})
	csi.RegisterIdentityServer(server, &identity{config: Config{Name: DriverName, Version: "test"}})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		_ = os.RemoveAll(dir)
	})
	return "unix://" + socket
}

func (controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	return &csi.ControllerGetCapabilitiesResponse{}, nil
}

func (controller) CreateVolume(_ context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: r.GetName(), VolumeContext: map[string]string{ephemeralKey: "true"},
	}}, nil
}

func (controller) DeleteVolume(context.Context, *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	return &csi.DeleteVolumeResponse{}, nil
}
