package policy_test

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"safetmp/policy"
)

func TestRenameFlags(t *testing.T) {
	tests := []struct {
		flags uint32
		want  outcome
	}{
		{0, allowed},
		{unix.RENAME_NOREPLACE, allowed},
		{unix.RENAME_EXCHANGE, allowed},
		{unix.RENAME_NOREPLACE | unix.RENAME_EXCHANGE, refused(policy.RuleFilesystem, syscall.EINVAL)},
		{unix.RENAME_WHITEOUT, refused(policy.RuleDevices, syscall.EINVAL)},
		{unix.RENAME_WHITEOUT | unix.RENAME_NOREPLACE, refused(policy.RuleDevices, syscall.EINVAL)},
		{1 << 3, refused(policy.RuleFilesystem, syscall.EINVAL)},
		{1 << 31, refused(policy.RuleFilesystem, syscall.EINVAL)},
	}
	for _, profile := range policy.Profiles() {
		for _, tt := range tests {
			requireOutcome(t, tt.want, build(t, profile).RenameFlags(tt.flags))
			requireOutcome(t, tt.want, build(t, profile, "enforce=warn").RenameFlags(tt.flags))
		}
	}
}
