package policy

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
// The only error is an unknown profile, a [*ParseError].
func Build(p Profile, layers ...Layer) (*Policy, error) {
	b, err := newBuilder(p, layers)
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		if !layer.flag {
			b.tighten(layer.settings)
		}
	}
	for _, layer := range layers {
		if layer.flag {
			b.name(layer.settings)
		}
	}
	return b.policy, nil
}

// builder is a policy in the making.
type builder struct {
	policy *Policy
	given  [ruleCount]bool // a file or a flag set the value
	named  [ruleCount]bool // a flag did
}

// newBuilder starts with the safest of the profiles that somebody named.
func newBuilder(p Profile, layers []Layer) (*builder, error) {
	b := &builder{policy: &Policy{}}
	chosen, source := DefaultProfile, sourceDefault
	if p != "" {
		known, err := ParseProfile(keyProfile, string(p))
		if err != nil {
			return nil, err
		}
		chosen, source = known, sourceCaller
	}
	for _, layer := range layers {
		switch {
		case layer.profile == "":
		case source == sourceDefault || saferProfile(layer.profile, chosen):
			b.overruleProfile(chosen, layer.profile, source)
			chosen, source = layer.profile, layer.profileSource
		default:
			b.overruleProfile(layer.profile, chosen, layer.profileSource)
		}
	}
	b.start(chosen, source)
	return b, nil
}

// start takes over the values of a profile.
func (b *builder) start(p Profile, source string) {
	rank, _ := profileRank(p)
	b.policy.profile = p
	b.policy.set = profileTable[rank].set
	text := "profile " + string(p)
	if source != sourceCaller {
		text += " (" + source + ")"
	}
	for id := range b.policy.sources {
		b.policy.sources[id] = text
	}
}

// tighten takes over what is at least as safe as the present value.
func (b *builder) tighten(settings []layerSetting) {
	for _, s := range settings {
		if s.value > b.policy.set[s.id] {
			b.overrule(s)
			continue
		}
		b.replace(s)
	}
}

// name takes over what flags name.
func (b *builder) name(settings []layerSetting) {
	for _, s := range settings {
		if b.named[s.id] && s.value > b.policy.set[s.id] {
			b.overrule(s)
			continue
		}
		b.replace(s)
		b.named[s.id] = true
	}
}

// replace puts a setting in the place of the present one, which counts as
// overruled when somebody wrote it and meant something else.
func (b *builder) replace(s layerSetting) {
	p := b.policy
	if b.given[s.id] && p.set[s.id] != s.value {
		b.overrule(layerSetting{s.id, p.set[s.id], p.sources[s.id]})
	}
	p.set[s.id], p.sources[s.id] = s.value, s.source
	b.given[s.id] = true
}

func (b *builder) overrule(s layerSetting) {
	b.policy.overruled = append(b.policy.overruled, newSetting(s.id, s.value, s.source))
}

// overruleProfile notes a profile that somebody named and that lost to another.
func (b *builder) overruleProfile(loser, winner Profile, source string) {
	if loser == winner || source == sourceDefault {
		return
	}
	b.policy.overruled = append(b.policy.overruled, Setting{
		Rule:   keyProfile,
		Value:  string(loser),
		Source: source,
		Safest: loser == profileTable[0].profile,
	})
}

func saferProfile(a, b Profile) bool {
	rankA, _ := profileRank(a)
	rankB, _ := profileRank(b)
	return rankA < rankB
}

// keyProfile is the key of a profile in a policy file and in Overruled.
const keyProfile = "profile"

// Where a profile that stands in no file came from.
const (
	sourceDefault = "default"
	sourceCaller  = "command line"
)
