package policy

import "slices"

// Rule is the stable name of one rule: the key in a policy file, the left side
// of --rule NAME=VALUE, and what counters and log records carry. A name is
// never reused for something else.
type Rule string

// The rules that can be set. [Rules] tells the values of each.
const (
	// RuleSymlinks says whether symbolic links can be made (CWE-59).
	RuleSymlinks Rule = "symlinks"
	// RuleHardlinks says who may give a file a second name, and where.
	RuleHardlinks Rule = "hardlinks"
	// RuleTmpfileLink says whether an O_TMPFILE file can be given its first
	// name by linkat(2).
	RuleTmpfileLink Rule = "tmpfile-link"
	// RuleDevices refuses device nodes. It cannot be weakened.
	RuleDevices Rule = "devices"
	// RuleSpecial says whether FIFOs and sockets can be made.
	RuleSpecial Rule = "special"
	// RuleModes says what becomes of group and other permissions (CWE-732).
	RuleModes Rule = "modes"
	// RuleSetID says whether set-user-ID, set-group-ID and sticky bits are
	// stored.
	RuleSetID Rule = "setid"
	// RuleExec says which execute bits a regular file may have.
	RuleExec Rule = "exec"
	// RuleChown says who may give a file to somebody else.
	RuleChown Rule = "chown"
	// RuleXattrs says whether user.* extended attributes are stored. All other
	// namespaces never are.
	RuleXattrs Rule = "xattrs"
	// RuleNames says in which directories names are assigned (CWE-377).
	RuleNames Rule = "names"
	// RuleNameCheck says which requested names are refused (CWE-116).
	RuleNameCheck Rule = "name-check"
	// RuleListing says which names a listing of a naming root shows.
	RuleListing Rule = "listing"
	// RuleScope says who shares an alias.
	RuleScope Rule = "scope"
	// RuleEnforce says whether the other rules refuse or only report.
	RuleEnforce Rule = "enforce"
)

// RuleFilesystem marks decisions that no setting changes, because any
// filesystem answers so: a name of 256 bytes, an unknown rename flag, an
// attribute read from a namespace that is not stored. It is not a setting. A
// refusal under it is an ordinary error and not worth a count or a log record.
const RuleFilesystem Rule = "filesystem"

// RuleInfo describes one rule that can be set.
type RuleInfo struct {
	// Rule is its name.
	Rule Rule
	// Meaning is one line for a person.
	Meaning string
	// Values are the accepted values, the safest first.
	Values []string
}

// Rules returns all rules that can be set, in the order in which they are
// documented. The caller may keep and change what it gets.
func Rules() []RuleInfo {
	infos := slices.Clone(ruleTable[:])
	for i := range infos {
		infos[i].Values = slices.Clone(infos[i].Values)
	}
	return infos
}

// ruleID is the position of a rule in ruleTable and in settings.
type ruleID int

const (
	idSymlinks ruleID = iota
	idHardlinks
	idTmpfileLink
	idDevices
	idSpecial
	idModes
	idSetID
	idExec
	idChown
	idXattrs
	idNames
	idNameCheck
	idListing
	idScope
	idEnforce
	ruleCount
)

// ruleTable is the one list of rules and values. The values of each rule stand
// in the order of the levels in settings.go.
var ruleTable = [ruleCount]RuleInfo{
	idSymlinks:    {RuleSymlinks, "symbolic links; inside: relative targets below the same top-level entry", []string{"refuse", "inside", "allow"}},
	idHardlinks:   {RuleHardlinks, "hard links; owner: one's own files, same naming root or below it", []string{"refuse", "owner", "allow"}},
	idTmpfileLink: {RuleTmpfileLink, "naming an O_TMPFILE file by linkat", []string{"refuse", "allow"}},
	idDevices:     {RuleDevices, "device nodes", []string{"refuse"}},
	idSpecial:     {RuleSpecial, "fifos and sockets", []string{"refuse", "allow"}},
	idModes:       {RuleModes, "group and other permissions; strict: masked, and chmod to more is an error", []string{"strict", "mask", "keep"}},
	idSetID:       {RuleSetID, "set-user-ID, set-group-ID and sticky bits", []string{"refuse", "keep"}},
	idExec:        {RuleExec, "execute bits of regular files; none: also a noexec mount", []string{"none", "owner", "keep"}},
	idChown:       {RuleChown, "changing owner or group; shared-root: root on a shared mount, of a user namespace too", []string{"refuse", "shared-root", "allow"}},
	idXattrs:      {RuleXattrs, "user.* extended attributes; other namespaces are never stored", []string{"none", "user"}},
	idNames:       {RuleNames, "where names are assigned", []string{"all", "root", "requested"}},
	idNameCheck:   {RuleNameCheck, "requested names refused; each value includes those after it", []string{"shell", "utf8", "control", "none"}},
	idListing:     {RuleListing, "names shown in a naming root: assigned ones, or the caller's own", []string{"random", "own"}},
	idScope:       {RuleScope, "who shares an alias: a session or a uid", []string{"session", "uid"}},
	idEnforce:     {RuleEnforce, "refuse, or let through and report", []string{"on", "warn"}},
}

// ruleByName returns the position of the rule with this name.
func ruleByName(name string) (ruleID, bool) {
	for id := range ruleTable {
		if string(ruleTable[id].Rule) == name {
			return ruleID(id), true
		}
	}
	return 0, false
}

// levelByName returns the level that a value of the rule stands for.
func (id ruleID) levelByName(value string) (level, bool) {
	i := slices.Index(ruleTable[id].Values, value)
	return level(max(i, 0)), i >= 0
}
