// Command safetmp-volume gives containers safetmp volumes: as a volume plugin of Docker and Podman, and as a driver of
// Kubernetes (CSI).
//
// Purpose. Each volume is a mount as `safetmp mount` makes it, served by a process of its own. This program translates
// what engines ask for; packages volume, volumedocker and volumecsi hold what it does.
//
// Guarantees. Ending this program ends no volume: the next one finds them again. It is a program of its own so that
// safetmp stays free of what it needs to talk to engines.
//
// Errors. Exit codes: 0 done, 1 failed, 2 a mistake on the command line; one line on stderr says why.
package main
