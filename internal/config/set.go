package config

import "slices"

// Set takes one option by its name in the table, as systems hand them over that know only pairs of texts: a word of the
// table is given by an empty value or "true", and not given by "false". source is what messages call the option.
//
// Errors: *UsageError.
func (b *Builder) Set(source, name, rawValue string) error {
	if reason, refused := refusedWords[name]; refused {
		return &UsageError{Source: source, Problem: reason}
	}
	o, known := findOption(name)
	if !known {
		return &UsageError{source, "unknown option", oneOf(optionNames())}
	}
	if o.arg != "" {
		if rawValue == "" {
			return &UsageError{source, "needs a value", name + "=" + o.arg}
		}
		return o.parse(b, source, rawValue)
	}
	switch rawValue {
	case "", wordGiven:
		return o.parse(b, source, "")
	case "false":
		return nil
	}
	return &UsageError{source, quote(rawValue) + " is neither true nor false", "no value, true or false"}
}

// OptionNames lists the names of the table except those given.
func OptionNames(except ...string) []string {
	return slices.DeleteFunc(optionNames(), func(name string) bool { return slices.Contains(except, name) })
}

// ResolveSize reads a size as the option size takes it, in bytes; a percentage is of the memory that may be used here.
//
// Errors: *UsageError that names source, or a failure to read this machine's memory.
func ResolveSize(system System, source, rawValue string) (int64, error) {
	a, err := parseSize(source, rawValue)
	if err != nil {
		return 0, err
	}
	memory, err := system.Memory()
	return atLeastOnePage(a.of(memory.Usable())), err
}
