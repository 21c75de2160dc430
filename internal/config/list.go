package config

import "strings"

// ParseList takes a mount(8) option list such as "size=1g,nr_inodes=1m,noexec" into b. Options are separated by
// commas, empty ones are skipped as mount(8) does, and a later one overrides an earlier one of the same name.
func (b *Builder) ParseList(rawList string) error {
	for item := range strings.SplitSeq(rawList, ",") {
		if item == "" {
			continue
		}
		if err := b.parseItem(item); err != nil {
			return err
		}
	}
	return nil
}

// parseItem takes one option of a list.
func (b *Builder) parseItem(item string) error {
	name, value, hasValue := strings.Cut(item, "=")
	if ignoredWord(name, hasValue) {
		return nil
	}
	if reason, refused := refusedWords[name]; refused {
		return &UsageError{Source: "-o " + name, Problem: reason}
	}
	o, known := findOption(name)
	if !known {
		return &UsageError{"-o " + printable(name), "unknown option", oneOf(optionNames()) + " and the general words of mount(8)"}
	}
	source := "-o " + name
	if o.arg == "" && hasValue {
		return &UsageError{source, "takes no value, " + quote(value) + " was given", name}
	}
	if o.arg != "" && !hasValue {
		return &UsageError{source, "needs a value", name + "=" + o.arg}
	}
	return o.parse(b, source, value)
}

// ignoredWord reports whether an option is accepted without effect: words that ask for what holds anyway, and those
// that mount(8) leaves in the list for userspace (x-*, X-*, comment=, uhelper=, helper=).
func ignoredWord(name string, hasValue bool) bool {
	switch {
	case strings.HasPrefix(name, "x-"), strings.HasPrefix(name, "X-"):
		return true
	case hasValue:
		return name == "comment" || name == "uhelper" || name == "helper"
	}
	return acceptedWords[name]
}

// printable returns a name that is fit for a message: as it is, or quoted if it holds anything unusual.
func printable(name string) string {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return quote(name)
		}
	}
	if name == "" || len(name) > 64 {
		return quote(name)
	}
	return name
}
