package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/spf13/cobra"

	"safetmp/internal/volumedocker"
)

// dockerSocket is where Docker looks for a plugin of the name safetmp.
const dockerSocket = "/run/docker/plugins/safetmp.sock"

const dockerHelp = `Serves the volume plugin protocol of Docker and Podman on a unix socket. With
Docker the name of the socket is the name of the driver:

  docker volume create -d safetmp -o size=64m scratch
  docker run -v scratch:/scratch IMAGE

Options of a volume are those of safetmp mount: size, nr_inodes, profile, names,
listing, uid, gid, mode, enforce, noexec and so on. Podman finds the plugin by a
line in containers.conf. Started by a systemd socket unit it takes that socket.`

// newDockerCommand builds `safetmp-volume docker`.
func newDockerCommand(env []string) *cobra.Command {
	var flags common
	var socket string
	cmd := &cobra.Command{
		Use:   "docker [flags]",
		Short: "serve the volume plugin of Docker and Podman",
		Long:  dockerHelp,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			volumes, err := flags.open(cmd.Context(), "", false, env)
			if err != nil {
				return err
			}
			defer leave(volumes)
			listener, err := listen(socket)
			if err != nil {
				return err
			}
			slog.Info("serving", "socket", listener.Addr().String(), "volumes", len(volumes.List()))
			return serveHTTP(cmd.Context(), listener, volumedocker.New(cmd.Context(), volumes, slog.Default()))
		},
	}
	cmd.Flags().StringVar(&socket, "socket", dockerSocket, "unix socket to listen on")
	flags.add(cmd.Flags(), "docker")
	return cmd
}

// server is what the protocol's helpers offer.
type server interface{ Serve(net.Listener) error }

// serveHTTP serves until ctx ends. Requests under way are cut off: the engine repeats them.
func serveHTTP(ctx context.Context, listener net.Listener, s server) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	err := s.Serve(listener)
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// listen takes the socket that systemd passes (sd_listen_fds(3)), or makes the one at path in place of one that nobody
// listens on any more.
func listen(path string) (net.Listener, error) {
	passed, err := activation.Listeners()
	switch {
	case err != nil:
		return nil, err
	case len(passed) == 1 && passed[0] != nil:
		return passed[0], nil
	case len(passed) > 1:
		return nil, fmt.Errorf("systemd passed %d sockets, not one", len(passed))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: somebody serves it already", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		_ = os.Remove(path)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(path, 0o600)
}
