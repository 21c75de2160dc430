// Package volumedocker is the Docker volume plugin: it translates the plugin protocol into calls of a volume.Manager.
//
// # Purpose
//
// New returns the handler of the protocol's requests, which docker/go-plugins-helpers reads and answers. Docker and
// Podman speak it: https://docs.docker.com/engine/extend/plugins_volume/.
//
// # Guarantees
//
//   - Options are checked at create, before anything else happens: an unknown or bad one is refused with one line, which
//     the engine prints.
//   - mount and unmount count by the id that the engine gives for each use: repeated calls count once, an unmount of an
//     id that is not known is no error.
//   - remove returns once the contents are overwritten, and refuses while a use is counted.
//
// # Not guaranteed
//
// The protocol has no caller: whoever can connect to the socket can do all of this.
//
// # Errors
//
// Those of package volume, as text: the protocol knows no codes.
package volumedocker
