package volumecsi

import (
	"context"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"safetmp/internal/volume"
)

// DriverName is the name of the driver in Kubernetes objects.
const DriverName = "safetmp.csi.safetmp.dev"

// Config of the services.
type Config struct {
	Name    string // of the driver
	Version string
	NodeID  string // how Kubernetes calls this machine
	// MaxVolumes is how many volumes this machine takes; 0: Kubernetes decides.
	MaxVolumes int
}

// Register adds the Identity and Node services to a server.
func Register(server *grpc.Server, c Config, volumes *volume.Manager) {
	csi.RegisterIdentityServer(server, &identity{config: c})
	csi.RegisterNodeServer(server, &node{config: c, volumes: volumes})
}

// identity implements csi.IdentityServer.
type identity struct {
	csi.UnimplementedIdentityServer
	config Config
}

// GetPluginInfo names the driver.
func (i *identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: i.config.Name, VendorVersion: i.config.Version}, nil
}

// GetPluginCapabilities lists no service beside those that every driver has: there is no controller.
func (i *identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// Probe answers as long as the driver can be reached.
func (i *identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}
