package policy

import "errors"

// Build makes the policy of one mount from a profile and layers over it.
//
// An empty profile means the one that a file names, or [DefaultProfile]. For
// each rule the profile's value is the start. A file's value takes its place
// only when it is safer. A flag that names the rule takes the place of both,
// safer or not, wherever it stands among the layers; of two flags that name the
// same rule the safer wins. Of two profiles (one given, one in a file) the
// safer wins as a whole, which is the same as the safer in each rule.
// [Policy.Overruled] tells what lost.
//
// The only error is an unknown profile.
func Build(p Profile, layers ...Layer) (*Policy, error) {
	return nil, errors.ErrUnsupported
}
