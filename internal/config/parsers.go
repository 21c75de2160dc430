package config

import (
	"slices"
	"strconv"
	"strings"
)

// The parsers of the table. Each takes one value as written and either stores it in the Builder or explains itself in
// a *UsageError.

func parseSizeOption(b *Builder, source, raw string) (err error) {
	b.size, err = parseSize(source, raw)
	b.sizeSource = source
	return err
}

// parseBlocks is tmpfs's other way to give a size; the later of the two counts.
func parseBlocks(b *Builder, source, raw string) error {
	n, err := parseCount(source, raw, 1)
	if err != nil {
		return err
	}
	if n > (1<<63-1)/PageSize {
		return tooLarge(source, raw, acceptedCounts)
	}
	b.size, b.sizeSource = amount{value: n * PageSize}, source
	return nil
}

func parseInodes(b *Builder, source, raw string) (err error) {
	b.inodes, err = parseCount(source, raw, leastInodes)
	return err
}

func parseUserSize(b *Builder, source, raw string) (err error) {
	b.userSize, err = parseSize(source, raw)
	b.userSource = source
	return err
}

func parseUserInodes(b *Builder, source, raw string) (err error) {
	b.userInodes, err = parseCount(source, raw, 1)
	b.userSource = source
	return err
}

func parseUID(b *Builder, source, raw string) error {
	id, ok := parseID(raw)
	if !ok {
		id, ok = b.system.UserID(raw)
	}
	if !ok {
		return badValue(source, raw, "a user", "a user name or a number from 0 to 4294967294")
	}
	b.uid, b.uidSource = &id, source
	return nil
}

func parseGID(b *Builder, source, raw string) error {
	id, ok := parseID(raw)
	if !ok {
		id, ok = b.system.GroupID(raw)
	}
	if !ok {
		return badValue(source, raw, "a group", "a group name or a number from 0 to 4294967294")
	}
	b.gid, b.gidSource = &id, source
	return nil
}

// parseID reads a numeric id. 4294967295 is (uid_t)-1, which chown(2) takes for "unchanged": no id.
func parseID(raw string) (uint32, bool) {
	n, ok := parseDigits(raw)
	return uint32(n), ok && n < 1<<32-1
}

func parseMode(b *Builder, source, raw string) error {
	mode, err := strconv.ParseUint(raw, 8, 32)
	if err != nil || !onlyDigits(raw) || mode > 0o1777 {
		return badValue(source, raw, "a mode", "octal permissions such as 0700 or 1733, without set-id bits")
	}
	m := uint32(mode)
	b.mode, b.modeSource = &m, source
	return nil
}

func parseProfile(b *Builder, source, raw string) error {
	b.profile, b.profileSource = raw, source
	return nil
}

func parseShareWithRoot(b *Builder, source, _ string) error {
	b.shareWithRoot = source
	return nil
}

func parsePolicyFile(b *Builder, source, raw string) error {
	if raw == "" {
		return badValue(source, raw, "a file", "the path of a policy file")
	}
	b.policyFile, b.policySource = raw, source
	return nil
}

func parseTemplate(b *Builder, source, raw string) error {
	b.template, b.templateSource = raw, source
	return nil
}

// parseSource takes a name that fusermount3 and mountinfo(5) need not escape.
func parseSource(b *Builder, source, raw string) error {
	if raw == "" || len(raw) > 255 || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == '\\' }) {
		return badValue(source, raw, "a source", "printable ASCII without space, comma or backslash")
	}
	b.fsname = raw
	return nil
}

// parseRule takes any rule; policy judges name and value in Finish.
func parseRule(b *Builder, source, raw string) error {
	if !strings.Contains(raw, "=") {
		return badValue(source, raw, "a setting", "RULE=VALUE, such as symlinks=inside")
	}
	b.settings = append(b.settings, Setting{Source: source, Value: raw})
	return nil
}

// ruleParser makes the parser of an option that is a policy rule of the same name.
func ruleParser(rule string) func(*Builder, string, string) error {
	return func(b *Builder, source, raw string) error {
		b.settings = append(b.settings, Setting{Source: source, Value: rule + "=" + raw})
		return nil
	}
}

// eventNames are the ways to tell names in events.
var eventNames = []string{"hash", "plain"}

func parseEventNames(b *Builder, source, raw string) error {
	if !slices.Contains(eventNames, raw) {
		return badValue(source, raw, "a way to tell names", oneOf(eventNames))
	}
	b.plainEventNames = raw == "plain"
	return nil
}

// transports are the ways that internal/fuseconn knows.
var transports = []string{"auto", "dev", "uring"}

func parseTransport(b *Builder, source, raw string) error {
	if !slices.Contains(transports, raw) {
		return badValue(source, raw, "a transport", strings.Join(transports, ", "))
	}
	b.transport = raw
	return nil
}
