package config

import (
	"strings"

	"safetmp/policy"
)

// Completion is what a shell may offer as the value of a flag.
type Completion struct {
	Flag  string // long name
	Files bool   // the value names a file
}

// Values lists what to offer, nothing if there is nothing.
func (c Completion) Values() []string { return valuesOf(strings.ReplaceAll(c.Flag, "-", "_")) }

// Completions lists the flags that take a value, in the order of help.
func Completions() []Completion {
	var all []Completion
	for _, o := range options {
		if o.arg != "" {
			all = append(all, Completion{flagName(o.name), o.name == "policy"})
		}
	}
	return all
}

// ListWords lists what may stand in a list after -o: words, and names up to their "=".
func ListWords() []string {
	var words []string
	for _, o := range options {
		word := o.name
		if o.arg != "" {
			word += "="
		}
		words = append(words, word)
	}
	return words
}

// valuesOf lists the values of an option that has a few.
func valuesOf(name string) []string {
	if values, ok := choices[name]; ok {
		return values
	}
	if name == "profile" {
		var names []string
		for _, p := range policy.Profiles() {
			names = append(names, string(p))
		}
		return names
	}
	switch name {
	case "transport":
		return transports
	case "event_names":
		return eventNames
	}
	var settings []string
	for _, r := range policy.Rules() {
		if string(r.Rule) == name {
			return r.Values
		}
		for _, value := range r.Values {
			settings = append(settings, string(r.Rule)+"="+value)
		}
	}
	if name == "rule" {
		return settings
	}
	return nil
}

// flagName is how an option is written as a flag.
func flagName(name string) string { return strings.ReplaceAll(name, "_", "-") }
