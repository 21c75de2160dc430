//go:build linux

package integration

type program struct{}

var programs = map[string]program{}
