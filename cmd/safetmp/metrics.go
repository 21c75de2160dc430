package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"safetmp/policy"
)

// metric is one family of the Prometheus text format: its samples are made from the status of each mount.
type metric struct {
	name, kind, help string
	samples          func(listedStatus) []sample
}

// sample is one value, with a label beside those of the mount or without (empty name).
type sample struct {
	label, labelValue string
	value             float64
}

// metrics lists the families in the order in which they are written.
var metrics = []metric{
	{"safetmp_up", "gauge", "Whether the daemon answers.", func(s listedStatus) []sample { return truth(s.Answering) }},
	{"safetmp_start_time_seconds", "gauge", "When the mount was made, in seconds since 1970.", ofAnswering(func(s listedStatus) float64 {
		return float64(s.Started.UnixMilli()) / 1e3
	})},
	{"safetmp_used_bytes", "gauge", "Memory in use by contents, names and attributes.", ofAnswering(func(s listedStatus) float64 { return float64(s.Bytes) })},
	{"safetmp_size_bytes", "gauge", "Limit of safetmp_used_bytes.", ofAnswering(func(s listedStatus) float64 { return float64(s.Limit) })},
	{"safetmp_wiping_bytes", "gauge", "Memory that was freed and is being overwritten, part of safetmp_used_bytes.", ofAnswering(func(s listedStatus) float64 { return float64(s.Wiping) })},
	{"safetmp_used_inodes", "gauge", "Files and directories, the mount root included.", ofAnswering(func(s listedStatus) float64 { return float64(s.Inodes) })},
	{"safetmp_max_inodes", "gauge", "Limit of safetmp_used_inodes.", ofAnswering(func(s listedStatus) float64 { return float64(s.InodeLimit) })},
	{"safetmp_enforcing", "gauge", "Whether the policy is enforced, not only warned of.", ofAnswering(func(s listedStatus) float64 { return number(s.Enforcing) })},
	{"safetmp_locked", "gauge", "Whether the memory is locked.", ofAnswering(func(s listedStatus) float64 { return number(s.Locked) })},
	{"safetmp_encrypted", "gauge", "Whether contents are encrypted.", ofAnswering(func(s listedStatus) float64 { return number(s.Encrypted) })},
	{"safetmp_exposed", "gauge", "Whether contents or keys may reach swap.", ofAnswering(func(s listedStatus) float64 { return number(s.Exposed) })},
	{"safetmp_detached", "gauge", "Whether the mount is lazily unmounted, to be wiped with the last close.", ofAnswering(func(s listedStatus) float64 { return number(s.Detached) })},
	{"safetmp_corrupt_total", "counter", "Requests that met contents changed in memory.", ofAnswering(func(s listedStatus) float64 { return float64(s.Corrupt) })},
	{"safetmp_refusals_total", "counter", "Requests refused by the policy.", byRule(func(s listedStatus) map[string]uint64 { return s.Refusals })},
	{"safetmp_warnings_total", "counter", "Requests let through that the policy refuses or changes if enforced.", byRule(func(s listedStatus) map[string]uint64 { return s.Warnings })},
	{"safetmp_changes_total", "counter", "Requests let through changed.", byRule(func(s listedStatus) map[string]uint64 { return s.Changes })},
	{"safetmp_removed_total", "counter", "Entries that a lifetime removed.", func(s listedStatus) []sample { return counted("lifetime", s.Removed) }},
}

// writeMetrics writes all mounts in the text format of Prometheus, version 0.0.4.
func writeMetrics(w io.Writer, list []listedStatus) error {
	var b strings.Builder
	for _, m := range metrics {
		var lines strings.Builder
		for _, s := range list {
			for _, sample := range m.samples(s) {
				writeSample(&lines, m.name, s, sample)
			}
		}
		if lines.Len() > 0 {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s", m.name, m.help, m.name, m.kind, lines.String())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeSample writes one line.
func writeSample(b *strings.Builder, name string, s listedStatus, v sample) {
	fmt.Fprintf(b, `%s{mountpoint="%s",owner_uid="%d",profile="%s"`, name, labelText(s.Mountpoint), s.OwnerUID, labelText(s.Profile))
	if v.label != "" {
		fmt.Fprintf(b, `,%s="%s"`, v.label, labelText(v.labelValue))
	}
	fmt.Fprintf(b, "} %s\n", strconv.FormatFloat(v.value, 'f', -1, 64))
}

// labelText is the value of a label between its quotes, fit for a terminal as well.
func labelText(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(text))
}

// ofAnswering makes one sample of each mount whose daemon answers.
func ofAnswering(value func(listedStatus) float64) func(listedStatus) []sample {
	return func(s listedStatus) []sample {
		if !s.Answering {
			return nil
		}
		return []sample{{value: value(s)}}
	}
}

// byRule makes a sample for every rule, also those that never decided: a counter that appears with its first count is
// an increase that nobody sees.
func byRule(counts func(listedStatus) map[string]uint64) func(listedStatus) []sample {
	return func(s listedStatus) []sample {
		if !s.Answering {
			return nil
		}
		all := map[string]uint64{}
		for _, r := range policy.Rules() {
			all[string(r.Rule)] = 0
		}
		maps.Copy(all, counts(s))
		return counted("rule", all)
	}
}

// counted makes a sample of each counter.
func counted(label string, counts map[string]uint64) []sample {
	var samples []sample
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		samples = append(samples, sample{label, key, float64(counts[key])})
	}
	return samples
}

func truth(yes bool) []sample { return []sample{{value: number(yes)}} }

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
