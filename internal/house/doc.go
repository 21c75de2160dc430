// Package house holds no code but tests: the rules of the house that a machine
// can check, each with its reason in the failure it prints. `make check` runs
// them.
package house
