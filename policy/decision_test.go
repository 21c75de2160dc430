package policy_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

func TestViolationMatchesItsErrno(t *testing.T) {
	err := build(t, policy.ProfileTmpdir).Symlink(policy.SymlinkRequest{RawTarget: "secret"}).Err()
	require.ErrorIs(t, err, syscall.EPERM)
	wrapped := fmt.Errorf("context: %w", err)
	assert.ErrorIs(t, wrapped, syscall.EPERM)
	assert.NotErrorIs(t, wrapped, syscall.EACCES)
	assert.ErrorIs(t, wrapped, fs.ErrPermission)
	var errno syscall.Errno
	require.ErrorAs(t, wrapped, &errno)
	assert.Equal(t, syscall.EPERM, errno)
	var violation *policy.Violation
	require.ErrorAs(t, wrapped, &violation)
	want := policy.Violation{Rule: policy.RuleSymlinks, Op: "symlink", Errno: syscall.EPERM, Reason: "symbolic links are not allowed"}
	assert.Equal(t, want, *violation)
	assert.EqualError(t, err, "symlink: symbolic links are not allowed (rule symlinks): operation not permitted")
}

func TestDecisionErr(t *testing.T) {
	assert.NoError(t, policy.Decision{Verdict: policy.Allow}.Err())
	assert.NoError(t, policy.Decision{Verdict: policy.AllowChanged, Rule: policy.RuleModes}.Err())
	assert.NoError(t, policy.Decision{Verdict: policy.Allow, Warned: true, Errno: syscall.EPERM}.Err())
}

// A decision that nobody took lets nothing through.
func TestZeroDecisionRefuses(t *testing.T) {
	var d policy.Decision
	assert.Equal(t, policy.Refuse, d.Verdict)
	assert.True(t, errors.Is(d.Err(), syscall.EPERM))
}

func TestVerdictString(t *testing.T) {
	assert.Equal(t, "allow", policy.Allow.String())
	assert.Equal(t, "change", policy.AllowChanged.String())
	assert.Equal(t, "refuse", policy.Refuse.String())
}
