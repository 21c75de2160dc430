// Package volumes holds the tests of container volumes with real engines: dockerd and podman, started here and stopped
// again, with everything of theirs in a folder of the run.
//
// The image is a busybox; no container has a network. Docker finds the plugin by a socket below /run/docker/plugins whose
// name only this run has.
package volumes
