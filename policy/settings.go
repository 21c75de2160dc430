package policy

// level is a value of a rule as its position in RuleInfo.Values. Smaller is
// safer, so that "at least as safe as" is one comparison.
type level uint8

// settings is the value of every rule.
type settings [ruleCount]level

const (
	symlinksRefuse level = iota
	symlinksInside
	symlinksAllow
)

const (
	hardlinksRefuse level = iota
	hardlinksOwner
	hardlinksAllow
)

const (
	tmpfileLinkRefuse level = iota
	tmpfileLinkAllow
)

const devicesRefuse level = 0

const (
	specialRefuse level = iota
	specialAllow
)

const (
	modesStrict level = iota
	modesMask
	modesKeep
)

const (
	setIDRefuse level = iota
	setIDKeep
)

const (
	execNone level = iota
	execOwner
	execKeep
)

const (
	chownRefuse level = iota
	chownSharedRoot
	chownAllow
)

const (
	xattrsNone level = iota
	xattrsUser
)

const (
	namesAll level = iota
	namesRoot
	namesRequested
)

const (
	nameCheckShell level = iota
	nameCheckUTF8
	nameCheckControl
	nameCheckNone
)

const (
	listingRandom level = iota
	listingOwn
)

const (
	scopeSession level = iota
	scopeUID
)

const (
	enforceOn level = iota
	enforceWarn
)
