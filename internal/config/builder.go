package config

import "time"

// Builder collects the options of one mount from flags and option lists, in the order in which they were given. It is
// not safe for concurrent use and is spent after Finish.
type Builder struct {
	system   System
	defaults error // of parsing System.Defaults

	size       amount // zero value: the default
	sizeSource string
	inodes     int64 // 0: the default
	userSize   amount
	userInodes int64
	userSource string // the flag that gave userSize or userInodes

	uid, gid             *uint32 // nil: the default
	uidSource, gidSource string
	mode                 *uint32
	modeSource           string

	profile, profileSource   string
	policyFile, policySource string
	template, templateSource string
	settings                 []Setting
	unmasked                 bool // the profile in force enforces nothing

	ttl                      time.Duration // 0: none
	deleteOnClose, ownerExit bool

	fsname string // empty: the default

	secrecy

	exec, noexec                 string // the flag, if it was given
	shared, private, noSymfollow bool
	shareWithRoot                string // the flag, if it was given
	transport                    string
	plainEventNames              bool
	checkModes                   bool
}

// New returns a Builder for this system in which nothing was given yet.
func New(system System) *Builder {
	b := &Builder{system: system}
	b.choiceSource = map[string]string{}
	b.defaults = b.ParseList(system.Defaults)
	return b
}
