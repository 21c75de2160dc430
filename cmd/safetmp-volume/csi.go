package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"safetmp/internal/config"
	"safetmp/internal/volumecsi"
)

const csiHelp = `Serves the Container Storage Interface on a unix socket: a node driver for
ephemeral inline volumes of Kubernetes.

  volumes:
  - name: scratch
    csi:
      driver: ` + volumecsi.DriverName + `
      volumeAttributes: {size: 64m}

It runs on every node, from the manifests in deploy/kubernetes.`

// csiCommand is `safetmp-volume csi` being parsed.
type csiCommand struct {
	common
	endpoint   string
	nodeID     string
	kubeletDir string
	driverName string
	env        []string
}

// newCSICommand builds `safetmp-volume csi`.
func newCSICommand(env []string) *cobra.Command {
	c := &csiCommand{env: env}
	cmd := &cobra.Command{
		Use:   "csi --node-id NAME [flags]",
		Short: "serve the driver of Kubernetes",
		Long:  csiHelp,
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&c.endpoint, "endpoint", "unix:///csi/csi.sock", "unix socket to listen on")
	flags.StringVar(&c.nodeID, "node-id", "", "name of this node in Kubernetes")
	flags.StringVar(&c.kubeletDir, "kubelet-dir", "/var/lib/kubelet", "the kubelet's folder: volumes are mounted below it, nowhere else")
	flags.StringVar(&c.driverName, "driver-name", volumecsi.DriverName, "name of the driver")
	c.add(flags, "csi")
	return cmd
}

// run serves until ctx ends.
func (c *csiCommand) run(ctx context.Context) error {
	path, ok := strings.CutPrefix(c.endpoint, "unix://")
	switch {
	case !ok || !filepath.IsAbs(path):
		return &config.UsageError{Source: "--endpoint", Problem: fmt.Sprintf("%.256q is not a socket", c.endpoint), Accepted: "unix:///PATH"}
	case c.nodeID == "":
		return &config.UsageError{Source: "--node-id", Problem: "is missing", Accepted: "the name of the node"}
	case !filepath.IsAbs(c.kubeletDir) || filepath.Clean(c.kubeletDir) == "/":
		return &config.UsageError{Source: "--kubelet-dir", Problem: fmt.Sprintf("%.256q is not a folder of its own", c.kubeletDir), Accepted: "an absolute path below /"}
	}
	volumes, err := c.open(ctx, filepath.Clean(c.kubeletDir), true, c.env)
	if err != nil {
		return err
	}
	defer leave(volumes)
	listener, err := listen(path)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(observe))
	volumecsi.Register(server, volumecsi.Config{Name: c.driverName, Version: versionText(), NodeID: c.nodeID, MaxVolumes: c.maxVolumes}, volumes)
	slog.Info("serving", "socket", path, "volumes", len(volumes.List()))
	return serveGRPC(ctx, server, listener)
}

// serveGRPC serves until ctx ends; requests under way are answered first.
func serveGRPC(ctx context.Context, server *grpc.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, server.GracefulStop)
	defer stop()
	return server.Serve(listener)
}

// observe logs requests that fail, and keeps a panic in one of them from ending the driver.
func observe(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(codes.Internal, "internal error")
			slog.Error("panic", "method", info.FullMethod, "panic", p)
		}
		if err != nil {
			slog.Warn("refused", "method", info.FullMethod, "error", err)
		}
	}()
	return handle(ctx, request)
}
