// Package config turns what a person wrote, as long flags or as a mount(8) option list, into validated Options.
//
// Purpose. `safetmp mount --size 1g DIR`, `mount -t safetmp -o size=1g safetmp DIR` and a line in /etc/fstab must mean
// the same. Both forms go through one table of small parsers (table.go); Builder collects them, Finish checks them
// against each other and against this machine and returns Options, which travel as JSON to the process that serves.
//
// Guarantees. Nothing that is unknown, malformed, out of range or contradictory gets through: Finish returns Options
// that hold, or a *UsageError of one line that names the flag, what was wrong and what is accepted. No parser panics
// or overflows whatever it is fed (fuzzed). Where two words of a pair are both given (exec and noexec, shared and
// private), the safer one wins. Options are complete: the process that reads them opens no policy file and looks
// nothing up.
//
// Not guaranteed. Whether the mount will succeed: mountpoint and privileges are internal/mount's questions. That the
// memory promised stays free: others may take it meanwhile.
//
// Units. Sizes are bytes, rounded up to whole pages of PageSize; percentages are of Memory.Usable, so never of more
// than the memory cgroup allows; inode counts are plain numbers; k, m, g, t are powers of 1024 throughout, as in
// tmpfs(5).
//
// Errors. *UsageError for everything the caller can mend by writing something else; any other error is a failure to
// read this machine's state (proc(5), cgroups(7)).
package config
