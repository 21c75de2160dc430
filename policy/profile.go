package policy

import "strings"

// Profile is the name of a complete set of rules.
type Profile string

// The profiles, the safest first.
const (
	// ProfileStrict is for workloads written for it.
	ProfileStrict Profile = "strict"
	// ProfileTmpdir is the default: most programs run unchanged.
	ProfileTmpdir Profile = "tmpdir"
	// ProfileCompat is for programs that need the names they ask for, or
	// symbolic links within one tree.
	ProfileCompat Profile = "compat"
	// ProfilePosix enforces nothing except that there are no device nodes. It
	// exists so that the filesystem under the policy can be held against
	// public POSIX suites.
	ProfilePosix Profile = "posix"
	// DefaultProfile is what Build uses when nobody names one.
	DefaultProfile = ProfileTmpdir
)

// Profiles returns all profiles, the safest first.
func Profiles() []Profile {
	names := make([]Profile, len(profileTable))
	for i := range profileTable {
		names[i] = profileTable[i].profile
	}
	return names
}

// ParseProfile returns the profile with this name. Source is the flag or option
// it came with. The error is a [*ParseError] that lists the profiles.
func ParseProfile(source, name string) (Profile, error) {
	if _, ok := profileRank(Profile(name)); !ok {
		return "", &ParseError{
			File:     source,
			Problem:  "unknown profile " + quote(name),
			Accepted: "profiles: " + profileNames(),
		}
	}
	return Profile(name), nil
}

// profileTable is DESIGN's table. Profiles stand from the safest to the
// weakest, in every rule.
var profileTable = [...]struct {
	profile Profile
	set     settings
}{
	{ProfileStrict, settings{
		idSymlinks:    symlinksRefuse,
		idHardlinks:   hardlinksRefuse,
		idTmpfileLink: tmpfileLinkAllow,
		idDevices:     devicesRefuse,
		idSpecial:     specialRefuse,
		idModes:       modesStrict,
		idSetID:       setIDRefuse,
		idExec:        execNone,
		idChown:       chownRefuse,
		idXattrs:      xattrsUser,
		idNames:       namesAll,
		idNameCheck:   nameCheckShell,
		idListing:     listingRandom,
		idScope:       scopeUID,
		idEnforce:     enforceOn,
	}},
	{ProfileTmpdir, settings{
		idSymlinks:    symlinksRefuse,
		idHardlinks:   hardlinksOwner,
		idTmpfileLink: tmpfileLinkAllow,
		idDevices:     devicesRefuse,
		idSpecial:     specialAllow,
		idModes:       modesMask,
		idSetID:       setIDRefuse,
		idExec:        execOwner,
		idChown:       chownSharedRoot,
		idXattrs:      xattrsUser,
		idNames:       namesRoot,
		idNameCheck:   nameCheckUTF8,
		idListing:     listingRandom,
		idScope:       scopeUID,
		idEnforce:     enforceOn,
	}},
	{ProfileCompat, settings{
		idSymlinks:    symlinksInside,
		idHardlinks:   hardlinksOwner,
		idTmpfileLink: tmpfileLinkAllow,
		idDevices:     devicesRefuse,
		idSpecial:     specialAllow,
		idModes:       modesMask,
		idSetID:       setIDRefuse,
		idExec:        execOwner,
		idChown:       chownSharedRoot,
		idXattrs:      xattrsUser,
		idNames:       namesRequested,
		idNameCheck:   nameCheckControl,
		idListing:     listingRandom,
		idScope:       scopeUID,
		idEnforce:     enforceOn,
	}},
	{ProfilePosix, settings{
		idSymlinks:    symlinksAllow,
		idHardlinks:   hardlinksAllow,
		idTmpfileLink: tmpfileLinkAllow,
		idDevices:     devicesRefuse,
		idSpecial:     specialAllow,
		idModes:       modesKeep,
		idSetID:       setIDKeep,
		idExec:        execKeep,
		idChown:       chownAllow,
		idXattrs:      xattrsUser,
		idNames:       namesRequested,
		idNameCheck:   nameCheckNone,
		idListing:     listingRandom,
		idScope:       scopeUID,
		idEnforce:     enforceOn,
	}},
}

// unenforced is what a mount without rules would answer: the posix profile.
var unenforced = &profileTable[len(profileTable)-1].set

// profileRank returns the position of p in profileTable; smaller is safer.
func profileRank(p Profile) (int, bool) {
	for i := range profileTable {
		if profileTable[i].profile == p {
			return i, true
		}
	}
	return 0, false
}

func profileNames() string {
	names := make([]string, len(profileTable))
	for i := range profileTable {
		names[i] = string(profileTable[i].profile)
	}
	return strings.Join(names, ", ")
}
