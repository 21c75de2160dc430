package config

// option is one row of the table behind both forms: `--name VALUE` and `-o name=VALUE`. In flags an underscore may be
// written as a dash.
type option struct {
	name  string
	arg   string // what the value is called in help; empty: a word that takes no value
	usage string // for --help
	parse func(b *Builder, source, rawValue string) error
}

// options lists every setting of a mount, in the order in which help shows them.
var options = []option{
	{"size", "SIZE", "memory for contents, names and attributes: bytes, k, m, g, t, or % of memory (default 50%)", parseSizeOption},
	{"nr_inodes", "N", "how many files and directories (default: half the number of pages of memory)", parseInodes},
	{"nr_blocks", "N", "the size in pages of 4096 bytes, as tmpfs(5) has it", parseBlocks},
	{"uid", "USER", "owner of the mount, name or number (default: you; others only as root)", parseUID},
	{"gid", "GROUP", "group of the owner (default: the owner's primary group)", parseGID},
	{"mode", "MODE", "octal permissions of the root directory (default 0700, shared 1733)", parseMode},
	{"profile", "NAME", "policy to start from: strict, tmpdir (default), compat, posix", parseProfile},
	{"policy", "FILE", "policy file (TOML) on top of the profile", parsePolicyFile},
	{"rule", "RULE=VALUE", "set one policy rule; may be repeated (see safetmp policy --rules)", parseRule},
	{"names", "WHICH", "where names are assigned: requested (nowhere), root (the top directory), all", ruleParser("names")},
	{"name_template", "TEMPLATE", "form of assigned names: {random}, with {stem} and {ext} of the requested name", parseTemplate},
	{"listing", "WHICH", "what the owner sees in a listing: random (assigned names) or own (requested ones)", ruleParser("listing")},
	{"scope", "WHICH", "who a requested name resolves for: uid or session", ruleParser("scope")},
	{"enforce", "on|warn", "warn lets everything through and reports what would be refused", ruleParser("enforce")},
	{"exec", "", "let the owner execute files, whatever the profile", func(b *Builder, s, _ string) error { b.exec = s; return nil }},
	{"noexec", "", "let nobody execute files", func(b *Builder, s, _ string) error { b.noexec = s; return nil }},
	{"shared", "", "let other users in; each sees only files of their own (default: private)", func(b *Builder, _, _ string) error { b.shared = true; return nil }},
	{"private", "", "let only the owner in, root included in the refusal; wins over shared", func(b *Builder, _, _ string) error { b.private = true; return nil }},
	{"share_with_root", "", "let root into a private mount as well, as a container engine needs it; nobody else", parseShareWithRoot},
	{"user_size", "SIZE", "on a shared mount, the share of one user: a size or % of the mount's (default 50%)", parseUserSize},
	{"user_inodes", "N", "on a shared mount, how many files one user may have (default: half)", parseUserInodes},
	{"ttl", "TIME", "remove an entry of the top directory, with all below it, this long after its last use: 30s, 10m, 2h, 1d", parseTTL},
	{"delete_on_close", "", "remove a regular file when its last descriptor is closed", func(b *Builder, _, _ string) error { b.deleteOnClose = true; return nil }},
	{"owner_exit", "", "remove an entry of the top directory when the last process of the session that made it has ended", func(b *Builder, _, _ string) error { b.ownerExit = true; return nil }},
	{"encrypt", "auto|on|off", "encrypt contents in memory; auto: where swap is possible and locking is not (default auto)", choiceParser("encrypt", func(b *Builder) *string { return &b.encrypt })},
	{"key_memory", "WHERE", "locked memory for keys, or secret, which root cannot read and which blocks hibernation (default locked)", choiceParser("key_memory", func(b *Builder) *string { return &b.keyMemory })},
	{"allow_swap", "", "mount even where contents can neither be locked nor encrypted and may reach swap", func(b *Builder, _, _ string) error { b.allowSwap = true; return nil }},
	{"io", "MODE", "passthrough: the kernel reads and writes contents by itself, plain and as root only; memory; auto (default) is memory", choiceParser("io", func(b *Builder) *string { return &b.io })},
	{"cache", "HOW", "direct: contents bypass the page cache; cached; auto (default): direct where they are encrypted", choiceParser("cache", func(b *Builder) *string { return &b.cache })},
	{"event_names", "hash|plain", "how safetmp events tells names: a keyed hash (default) or as they are", parseEventNames},
	{"fsname", "NAME", "the source that mount tables show (default safetmp)", parseSource},
	{"transport", "WAY", "how requests reach safetmp: auto (default), dev (read and write), uring (io_uring, or no mount)", parseTransport},
	{"nosymfollow", "", "never follow symbolic links, even those that the policy lets be made", func(b *Builder, _, _ string) error { b.noSymfollow = true; return nil }},
	{"default_permissions", "", "have the kernel check permission bits on root's own private mount too", func(b *Builder, _, _ string) error { b.checkModes = true; return nil }},
}

// acceptedWords are words of mount(8) and of FUSE mounts that ask for what safetmp does anyway, or for nothing that
// matters in memory, or that are for mount(8) itself. They are accepted so that an fstab line needs no editing.
var acceptedWords = wordSet(
	"defaults", "rw", "nosuid", "nodev",
	"atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime", "diratime", "nodiratime", "lazytime", "nolazytime",
	"async", "sync", "dirsync", "loud", "silent", "nomand", "noiversion",
	"auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "owner", "noowner", "group", "nogroup",
)

// refusedWords are words whose promise safetmp does not keep, with the reason.
var refusedWords = map[string]string{
	"suid":        "refused: set-id files are never honoured here",
	"dev":         "refused: device nodes are never honoured here",
	"ro":          "refused: an empty filesystem that cannot be written is of no use",
	"remount":     "refused: a mount keeps the options it was made with; unmount it and mount again",
	"bind":        "refused: use mount --bind with the mounted directory",
	"allow_other": "refused: say shared",
	"allow_root":  "refused: say share_with_root",
	"nonempty":    "refused: a mount never hides files; choose an empty directory",
	"noswap":      "refused: contents do not reach swap unless allow_swap is given; safetmp status shows how",
	"subtype":     "refused: the type is always fuse.safetmp",
}

func wordSet(words ...string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, w := range words {
		set[w] = true
	}
	return set
}

// findOption returns the row of that name.
func findOption(name string) (option, bool) {
	for _, o := range options {
		if o.name == name {
			return o, true
		}
	}
	return option{}, false
}

// optionNames lists the names of the table, for errors.
func optionNames() []string {
	names := make([]string, 0, len(options))
	for _, o := range options {
		names = append(names, o.name)
	}
	return names
}
