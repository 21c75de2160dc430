package policy

import "slices"

// Setting is the value of one rule and where it came from.
type Setting struct {
	// Rule is the rule.
	Rule Rule
	// Value is its value, one of RuleInfo.Values.
	Value string
	// Source is who set it: "profile NAME", "FILE:LINE" or a flag.
	Source string
	// Safest is set when no other value of the rule is safer.
	Safest bool
}

// Describe returns the value of every rule, in the order of [Rules].
func (p *Policy) Describe() []Setting {
	all := make([]Setting, ruleCount)
	for id := range ruleCount {
		all[id] = newSetting(id, p.set[id], p.sources[id])
	}
	return all
}

// Overruled returns the settings that were given but not used, because a safer
// one or a flag won, in the order in which they lost. A person who wrote one
// should be told.
func (p *Policy) Overruled() []Setting {
	return slices.Clone(p.overruled)
}

func newSetting(id ruleID, value level, source string) Setting {
	return Setting{
		Rule:   ruleTable[id].Rule,
		Value:  id.valueName(value),
		Source: source,
		Safest: value == 0,
	}
}

// valueName returns the spelling of a level of the rule.
func (id ruleID) valueName(value level) string {
	return ruleTable[id].Values[value]
}
