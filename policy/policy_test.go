package policy_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/policy"
)

// build returns the policy of a profile with settings named by flags.
func build(t testing.TB, profile policy.Profile, settings ...string) *policy.Policy {
	t.Helper()
	layers := make([]policy.Layer, len(settings))
	for i, setting := range settings {
		var err error
		layers[i], err = policy.ParseSetting("--rule", setting)
		require.NoError(t, err)
	}
	p, err := policy.Build(profile, layers...)
	require.NoError(t, err)
	return p
}

// outcome is the part of a decision that a caller acts on.
type outcome struct {
	verdict policy.Verdict
	mode    uint32
	rule    policy.Rule
	errno   syscall.Errno
}

var allowed = outcome{verdict: policy.Allow}

func allowedMode(mode uint32) outcome {
	return outcome{verdict: policy.Allow, mode: mode}
}

func changed(mode uint32, rule policy.Rule) outcome {
	return outcome{verdict: policy.AllowChanged, mode: mode, rule: rule}
}

func refused(rule policy.Rule, errno syscall.Errno) outcome {
	return outcome{verdict: policy.Refuse, rule: rule, errno: errno}
}

// requireOutcome compares a decision and checks what holds for all of them.
func requireOutcome(t testing.TB, want outcome, d policy.Decision) {
	t.Helper()
	require.Equal(t, want, outcome{d.Verdict, d.Mode, d.Rule, d.Errno}, "reason: %q", d.Reason)
	assert.False(t, d.Warned)
	assertWellFormed(t, d)
}

func assertWellFormed(t testing.TB, d policy.Decision) {
	t.Helper()
	assert.NotEmpty(t, d.Op)
	assert.LessOrEqual(t, d.Mode, uint32(0o7777))
	plain := d.Verdict == policy.Allow && !d.Warned
	assert.Equal(t, plain, d.Rule == "", "a rule exactly when something was changed, refused or let through")
	assert.Equal(t, plain, d.Reason == "", "a reason exactly when there is a rule")
	if d.Verdict == policy.Refuse {
		assert.NotZero(t, d.Errno)
		assert.ErrorIs(t, d.Err(), d.Errno)
	} else {
		assert.NoError(t, d.Err())
	}
}

func create(kind policy.Kind, rawMode uint32) policy.CreateRequest {
	return policy.CreateRequest{Op: "create", Kind: kind, RawName: "name", RawMode: rawMode}
}
