package policy

// Policy is the complete set of rules of one mount. It is immutable and safe
// for concurrent use; [Build] makes one.
type Policy struct {
	profile   Profile
	set       settings
	sources   [ruleCount]string
	overruled []Setting
}

// Listing says which names a listing of a naming root shows. Other directories
// always show the names their entries were given.
type Listing uint8

// The values of rule listing.
const (
	// ListingRandom shows assigned names, of the caller's own entries.
	ListingRandom = Listing(listingRandom)
	// ListingOwn shows requested names, of the caller's own entries.
	ListingOwn = Listing(listingOwn)
)

// String returns the value as a policy file spells it.
func (l Listing) String() string {
	return idListing.valueName(level(l))
}

// Scope says who shares an alias.
type Scope uint8

// The values of rule scope.
const (
	// ScopeSession means the processes of one POSIX session, see setsid(2).
	ScopeSession = Scope(scopeSession)
	// ScopeUID means all processes of one uid.
	ScopeUID = Scope(scopeUID)
)

// String returns the value as a policy file spells it.
func (s Scope) String() string {
	return idScope.valueName(level(s))
}

// Profile returns the profile that the policy was built from. Single rules may
// differ from it; see [Policy.Describe].
func (p *Policy) Profile() Profile {
	return p.profile
}

// Enforcing reports whether the rules refuse (enforce=on) or only report
// (enforce=warn). It is true for profile posix, whose rules refuse nothing but
// device nodes: show the profile beside it.
func (p *Policy) Enforcing() bool {
	return p.set[idEnforce] == enforceOn
}

// Listing returns which names a listing of a naming root shows.
func (p *Policy) Listing() Listing {
	return Listing(p.set[idListing])
}

// Scope returns who shares an alias.
func (p *Policy) Scope() Scope {
	return Scope(p.set[idScope])
}

// NamingRoot reports whether names are assigned in a directory, which either is
// the mount root or lies below it. enforce=warn does not change the answer.
func (p *Policy) NamingRoot(isMountRoot bool) bool {
	switch p.set[idNames] {
	case namesAll:
		return true
	case namesRoot:
		return isMountRoot
	}
	return false
}

// NoExecMount reports whether the mount should carry the flag noexec, see
// mount(2). Under enforce=warn it should not, since the kernel's refusal would
// reach no report.
func (p *Policy) NoExecMount() bool {
	return p.Enforcing() && p.set[idExec] == execNone
}

// NoSymfollowMount reports whether the mount should carry the flag nosymfollow
// (Linux 5.10), see mount(2): true when symbolic links are refused anyway.
func (p *Policy) NoSymfollowMount() bool {
	return p.Enforcing() && p.set[idSymlinks] == symlinksRefuse
}

// warns reports whether a decision is to be softened by enforce=warn.
func (p *Policy) warns(d Decision) bool {
	return d.Verdict != Allow && p.set[idEnforce] == enforceWarn
}
