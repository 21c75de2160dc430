package config

import "github.com/spf13/pflag"

// AddFlags defines every option of the table as a long flag of set, and -o for lists. Values land in b as they are
// parsed, so that the last one given counts whichever form it has.
func (b *Builder) AddFlags(set *pflag.FlagSet) {
	set.SortFlags = false
	for _, o := range options {
		name := flagName(o.name)
		f := set.VarPF(&flagValue{b: b, option: o, source: "--" + name}, name, "", o.usage)
		if o.arg == "" {
			f.NoOptDefVal = wordGiven
		}
	}
	set.VarP(&listValue{b}, "options", "o", "options as mount(8) takes them: the above without dashes, comma-separated")
	set.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(flagName(name))
	})
}

// wordGiven is what pflag hands to Set for a flag without a value. With this value and the type "bool" help shows the
// flag bare.
const wordGiven = "true"

// flagValue makes one row of the table a pflag.Value.
type flagValue struct {
	b      *Builder
	option option
	source string
}

// Set implements pflag.Value.
func (v *flagValue) Set(raw string) error {
	if v.option.arg == "" && raw != wordGiven {
		return &UsageError{v.source, "takes no value, " + quote(raw) + " was given", v.source}
	}
	return v.option.parse(v.b, v.source, raw)
}

// String implements pflag.Value; defaults are told in the usage text.
func (v *flagValue) String() string { return "" }

// Type implements pflag.Value: the name of the value in help.
func (v *flagValue) Type() string {
	if v.option.arg == "" {
		return "bool"
	}
	return v.option.arg
}

// listValue makes -o a pflag.Value.
type listValue struct{ b *Builder }

// Set implements pflag.Value.
func (v *listValue) Set(raw string) error { return v.b.ParseList(raw) }

// String implements pflag.Value.
func (v *listValue) String() string { return "" }

// Type implements pflag.Value.
func (v *listValue) Type() string { return "LIST" }
