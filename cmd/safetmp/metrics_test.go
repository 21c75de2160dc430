package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/control"
	"safetmp/policy"
)

// TestMetrics reads what is written with Prometheus's own parser and has its linter look.
func TestMetrics(t *testing.T) {
	list := []listedStatus{
		{Answering: true, Status: control.Status{
			Mountpoint: "/a \"quoted\\\n\x1b", OwnerUID: 7, Profile: "tmpdir", Started: time.UnixMilli(1500), Bytes: 4096, Limit: 1 << 40,
			Refusals: map[string]uint64{"symlinks": 3}, Removed: map[string]uint64{"ttl": 2}, Locked: true,
		}},
		{Status: control.Status{Mountpoint: "/silent", OwnerUID: 8}},
	}
	var out bytes.Buffer
	require.NoError(t, writeMetrics(&out, list))
	problems, err := promlint.New(strings.NewReader(out.String())).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)

	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(out.String()))
	require.NoError(t, err)
	assert.Len(t, families, len(metrics))

	up := families["safetmp_up"].GetMetric()
	require.Len(t, up, 2)
	assert.InDelta(t, 1, up[0].GetGauge().GetValue(), 0)
	assert.Equal(t, `/a "quoted\\n\x1b`, up[0].GetLabel()[0].GetValue(), "control characters are escaped as everywhere")
	assert.InDelta(t, 0, up[1].GetGauge().GetValue(), 0)
	assert.InDelta(t, 1.5, families["safetmp_start_time_seconds"].GetMetric()[0].GetGauge().GetValue(), 0)
	assert.InDelta(t, 1<<40, families["safetmp_size_bytes"].GetMetric()[0].GetGauge().GetValue(), 0)

	refusals := families["safetmp_refusals_total"].GetMetric()
	assert.Len(t, refusals, len(policy.Rules()), "a counter of each rule, and none of a mount that does not answer")
	for _, m := range refusals {
		want := 0.0
		if m.GetLabel()[3].GetValue() == "symlinks" {
			want = 3
		}
		assert.InDelta(t, want, m.GetCounter().GetValue(), 0)
	}
}

func TestMetricsOfNothing(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeMetrics(&out, nil))
	assert.Empty(t, out.String())
}
