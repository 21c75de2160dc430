package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"safetmp/internal/doctor"
)

var doctorReport = doctor.Report{
	Verdict: doctor.Warn, Mount: false, Run: true,
	Checks: []doctor.Check{
		{Name: "fine", Verdict: doctor.Ok, Found: "all well", Means: "nothing"},
		{Name: "longer name", Verdict: doctor.Warn, Found: "a\x1b[31mred", Means: "weak", Fix: "mend it"},
		{Name: "dead", Verdict: doctor.Fail, Found: "gone", Stops: []string{doctor.Mount}},
	},
}

func TestDoctorReport(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeReport(&out, doctorReport, false))
	assert.Equal(t, `ok    fine         all well
warn  longer name  a\x1b[31mred
      means: weak
      fix:   mend it
fail  dead         gone
safetmp run works, safetmp mount does not work; weaker than promised in 1 of 3 points
`, out.String())
	out.Reset()
	require.NoError(t, writeReport(&out, doctorReport, true))
	assert.Contains(t, out.String(), "all well\n      means: nothing\n")
}

func TestDoctorStatus(t *testing.T) {
	cases := map[string]struct {
		report doctor.Report
		code   int
	}{
		"in order":       {doctor.Report{Verdict: doctor.Ok, Mount: true, Run: true}, exitOK},
		"notes":          {doctor.Report{Verdict: doctor.Note, Mount: true, Run: true}, exitOK},
		"weaker":         {doctor.Report{Verdict: doctor.Warn, Mount: true, Run: true}, exitFailure},
		"one is missing": {doctor.Report{Verdict: doctor.Fail, Mount: true}, exitFailure},
		"no mounts":      {doctor.Report{Verdict: doctor.Fail}, exitUnusable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := &app{ctx: context.Background(), stderr: &bytes.Buffer{}}
			assert.Equal(t, c.code, a.finish(doctorStatus(c.report)))
			assert.Empty(t, a.stderr, "the report has said it")
		})
	}
}
