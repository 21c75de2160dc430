package policy

import (
	"fmt"
	"strings"
)

// Layer is one source of settings, a policy file or one flag. The zero Layer
// sets nothing. A Layer is immutable.
type Layer struct {
	profile       Profile // empty when the source names none
	profileSource string
	settings      []layerSetting // at most one per rule
	flag          bool           // a flag names its rule; a file does not
}

// layerSetting is the value that a source gives to a rule.
type layerSetting struct {
	id     ruleID
	value  level
	source string
}

// ParseSetting reads one "rule=value" as given on the command line. Source is
// the flag it came with, for messages and [Policy.Describe]. An error is a
// [*ParseError] without a line.
func ParseSetting(source, setting string) (Layer, error) {
	rule, value, found := strings.Cut(setting, "=")
	if !found {
		return Layer{}, &ParseError{
			File:     source,
			Problem:  "no value in " + quote(setting),
			Accepted: "RULE=VALUE; rules: " + ruleNames(),
		}
	}
	id, level, err := lookUp(source, rule, value)
	if err != nil {
		return Layer{}, err
	}
	return Layer{flag: true, settings: []layerSetting{{id, level, source}}}, nil
}

// lookUp finds a rule and one of its values.
func lookUp(source, rule, value string) (ruleID, level, error) {
	id, ok := ruleByName(rule)
	if !ok {
		return 0, 0, &ParseError{File: source, Problem: "unknown rule " + quote(rule), Accepted: "rules: " + ruleNames()}
	}
	level, ok := id.levelByName(value)
	if !ok {
		return 0, 0, &ParseError{
			File:     source,
			Problem:  fmt.Sprintf("rule %s has no value %s", rule, quote(value)),
			Accepted: "values: " + strings.Join(ruleTable[id].Values, ", "),
		}
	}
	return id, level, nil
}

func ruleNames() string {
	names := make([]string, ruleCount)
	for id := range ruleTable {
		names[id] = string(ruleTable[id].Rule)
	}
	return strings.Join(names, ", ")
}
