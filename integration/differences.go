//go:build linux

package integration

import "slices"

// difference is one place where safetmp intends to answer otherwise than
// tmpfs.
type difference struct {
	test    string // semantic test or program
	key     string // what was looked at
	place   string // "root" or "below" where it differs in one of them only
	safetmp string // what safetmp answers
	rule    string // the policy rule, or the part of the design, that says so
	why     string
}

// differences is the whole list of intended differences between tmpfs and a
// safetmp mount with its default policy. Whoever adds a row changes what
// programs may rely on: it needs a rule of the policy or a part of DESIGN.md.
var differences = slices.Concat(modeDifferences, kindDifferences, nameDifferences, programDifferences)

// masked are rows of modes that lose what they give to group and others; keys
// end in the mode that is asked for.
func masked(test, key, prefix string) []difference {
	const why = "nobody but its owner may use a file, whatever its creator asks for"
	rows := []difference{}
	for asked, stored := range map[string]string{"0666": "0600", "0777": "0700", "0755": "0700", "0644": "0600", "0640": "0600"} {
		rows = append(rows, difference{test, key + " " + asked, "", prefix + stored, "modes", why})
	}
	return rows
}

// The mode rules: group and other, set-id, sticky, ACLs.
var modeDifferences = slices.Concat(
	masked("modes/open", "open", ""),
	masked("modes/mkdir", "mkdir", ""),
	masked("modes/mknod", "mkfifo", ""),
	masked("modes/mknod", "mknod", ""),
	masked("modes/tmpfile", "tmpfile", ""),
	masked("modes/chmod", "chmod", "ok "),
	masked("modes/chmod", "chmod of a directory", "ok "),
	[]difference{
		{"modes/chmod", "fchmod", "", "ok 0600", "modes", "chmod masks as creation does, and succeeds"},
		{"modes/chmod", "fchmodat", "", "ok 0600", "modes", "chmod masks as creation does, and succeeds"},
		{"modes/umask", "file under umask 027", "", "0600", "modes", "a friendly umask is not enough"},
		{"modes/umask", "directory under umask 027", "", "0700", "modes", "a friendly umask is not enough"},
		{"modes/set-id", "file 4700", "", "ok 0700", "setid", "a temporary file never runs as somebody else"},
		{"modes/set-id", "file 2700", "", "ok 0700", "setid", "a temporary file never runs as somebody else"},
		{"modes/set-id", "file 1700", "", "ok 0700", "setid", "sticky means nothing where nobody else enters"},
		{"modes/set-id", "directory 4700", "", "ok 0700", "setid", "set-id bits are never stored"},
		{"modes/set-id", "directory 2700", "", "ok 0700", "setid", "set-id bits are never stored"},
		{"modes/set-id", "directory 1700", "", "ok 0700", "setid", "sticky means nothing where nobody else enters"},
		{"modes/set-id", "created set-id", "", "0700", "setid", "set-id bits are never stored"},
		{"modes/set-id", "created sticky", "", "0700", "setid", "sticky means nothing where nobody else enters"},
		{"modes/acl", "set", "", "EOPNOTSUPP", "xattrs", "an ACL would let others in"},
		{"modes/acl", "mode", "", "0600", "modes", "the ACL that would have changed it was refused"},
		{"modes/acl", "get", "", "EOPNOTSUPP", "xattrs", "there are no ACLs"},
		{"modes/default", "set", "", "EOPNOTSUPP", "xattrs", "an ACL would let others in"},
		{"modes/default", "inherited", "", "0600", "modes", "there is no ACL to inherit"},
		{"xattr/spaces", "get security.x", "", "EOPNOTSUPP", "xattrs", "only user.* attributes are stored"},
		{"xattr/spaces", "get security.capability", "", "EOPNOTSUPP", "xattrs", "file capabilities are never stored"},
	})

// The kinds of node that do not exist here.
var kindDifferences = slices.Concat(
	refusedLinks("in the folder", "in a directory", "absolute", "upward", "to itself"),
	[]difference{
		{"kinds/devices", "whiteout", "", "EPERM", "devices", "not even the device number 0, which anybody may make elsewhere"},
		{"rename/whiteout", "whiteout", "", "EINVAL", "devices", "a whiteout is a device; rename(2) answers so where there are none"},
		{"rename/whiteout", "is a device", "", "no", "devices", "nothing was left behind"},
	})

// refusedLinks are rows of symlink(2) that is refused and leaves nothing.
func refusedLinks(keys ...string) []difference {
	rows := []difference{}
	for _, key := range keys {
		rows = append(rows,
			difference{"links/symbolic", key, "", "EPERM", "symlinks", "no link, no following of links"},
			difference{"links/symbolic", key + ", there", "", "ENOENT", "symlinks", "what was refused leaves no trace"})
	}
	return rows
}

// The rules of names: assigned ones in the root, hostile ones nowhere.
var nameDifferences = slices.Concat(
	hostile("new\\nline", "esc\\x1b[2J", "del\\x7f", "bell\\a", "\\x01", "tab\\t", "cr\\r",
		"\\xff", "half\\xc3", "over\\xc0\\xaf", "surrogate\\xed\\xa0\\x80"),
	[]difference{
		{"times/read", "read of what is cached", "", "", "cache", "the kernel answers reads from its cache and asks nobody; docs/operations.md says so"},
		{"dirs/listing", "listed", "root", "<assigned> <assigned> <assigned>", "listing", "a listing of the root tells no requested name"},
	})

// hostile are rows of names that are refused; they are quoted as Go does.
func hostile(names ...string) []difference {
	rows := []difference{}
	for _, name := range names {
		rows = append(rows,
			difference{"names/odd", `create "` + name + `"`, "", "EINVAL", "name-check", "names that can hurt who prints them are refused"},
			difference{"names/odd", `there "` + name + `"`, "", "ENOENT", "name-check", "what was refused leaves no trace"})
	}
	return rows
}

// What the programs show of the same rules.
var programDifferences = []difference{
	{"fifo", "mode", "", "600", "modes", "group and other get nothing"},
	{"git", "symlinks", "", "false", "symlinks", "git probes for links and then stores them as files"},
	{"gitlinks", "outside", "", "refused", "symlinks", "the target is below another top-level entry"},
	{"gitlinks", "absolute", "", "refused", "symlinks", "an absolute target leads anywhere"},
	{"shell", "install -m 755", "", "700", "modes", "group and other get nothing"},
	{"shell", "link", "", "refused", "symlinks", "ln -s is refused"},
	{"shell", "glob", "", "rel*", "listing", "the root lists assigned names; listing=own for those who glob"},
	{"shell", "find and delete", "", "0", "symlinks", "the link that find would leave was never made"},
	{"shell", "umask", "", "600", "modes", "group and other get nothing"},
	{"shell", "chmod", "", "700", "modes", "group and other get nothing"},
	{"shell", "free space", "", "fuse.safetmp", "transport", "it is a filesystem of its own"},
	{"sockets", "mode", "", "0o700", "modes", "group and other get nothing"},
	{"tar", "mode of the tool", "", "700", "modes", "group and other get nothing"},
	{"tar", "mode of data", "", "600", "modes", "group and other get nothing"},
	{"tar", "mode of a directory", "", "700", "modes", "group and other get nothing"},
	{"tar", "modes compare", "", "12", "modes", "tar -d sees every mode that lost what it gave to others"},
	{"tempfile", "found in the listing", "", "0", "listing", "the root lists assigned names"},
}
