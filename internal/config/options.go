package config

import "time"

// Options describe one mount completely. They are plain data, marshalled to JSON by the process that checked them and
// trusted by the process that serves.
type Options struct {
	// Version of the program, for status.
	Version string `json:"version"`
	// Mountpoint is absolute.
	Mountpoint string `json:"mountpoint"`
	// Source is the first field of the mount in mountinfo(5), DefaultSource unless mount(8) was given another.
	Source string `json:"source"`

	// Profile names the policy profile, empty for the one that the file names or policy's default. PolicyFile and
	// PolicyText are the file that was read, both empty if there was none. Settings are the rules set by flags.
	// Policy composes the three.
	Profile    string    `json:"profile,omitempty"`
	PolicyFile string    `json:"policy_file,omitempty"`
	PolicyText string    `json:"policy_text,omitempty"`
	Settings   []Setting `json:"settings,omitempty"`
	// NameTemplate is the template of assigned names, empty for the default.
	NameTemplate string `json:"name_template,omitempty"`

	// SizeBytes limits contents, names and attributes together: a multiple of PageSize, at least one page.
	SizeBytes int64 `json:"size_bytes"`
	// Inodes limits files and directories, the root included.
	Inodes int64 `json:"inodes"`
	// UserSizeBytes and UserInodes limit each uid of a shared mount; 0 on a private one.
	UserSizeBytes int64 `json:"user_size_bytes"`
	UserInodes    int64 `json:"user_inodes"`

	// IO is empty (memory), IOMemory or IOPassthrough.
	IO string `json:"io,omitempty"`

	// Encrypt is empty (on where contents could reach swap), EncryptOn or EncryptOff; AllowSwap admits contents and keys that
	// could reach swap. KeyMemory is empty, KeysLocked or KeysSecret.
	Encrypt   string `json:"encrypt,omitempty"`
	AllowSwap bool   `json:"allow_swap,omitempty"`
	KeyMemory string `json:"key_memory,omitempty"`
	// Cache is empty (CacheDirect where contents are encrypted), CacheDirect or CacheCached.
	Cache string `json:"cache,omitempty"`

	// UID and GID own the root directory and, on a private mount, are the only identity that may enter.
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	// Mode holds the permission bits of the root directory.
	Mode uint32 `json:"mode"`
	// Shared admits other uids (allow_other).
	Shared bool `json:"shared"`
	// TTL is how long after its last use an entry of the root directory is removed, 0 for never. DeleteOnClose removes
	// regular files at their last close, OwnerExit the entries of sessions that have ended.
	TTL           time.Duration `json:"ttl,omitempty"`
	DeleteOnClose bool          `json:"delete_on_close,omitempty"`
	OwnerExit     bool          `json:"owner_exit,omitempty"`

	// ShareWithRoot admits root to a private mount (allow_other, with a root directory that nobody else may enter).
	ShareWithRoot bool `json:"share_with_root,omitempty"`
	// NoSymfollow asks for MS_NOSYMFOLLOW even where the policy lets symbolic links be made.
	NoSymfollow bool `json:"no_symfollow"`
	// Transport is how requests come from the kernel: "auto", "dev" or "uring".
	Transport string `json:"transport"`
	// PlainEventNames lets events name names; otherwise they carry a keyed hash.
	PlainEventNames bool `json:"plain_event_names,omitempty"`
	// CheckModes has permission bits checked even where the owner overrides them.
	CheckModes bool `json:"check_modes"`
}

// DefaultSource is what mountinfo shows as the source of a mount.
const DefaultSource = "safetmp"

// Setting is one policy rule set on the command line.
type Setting struct {
	Source string `json:"source"` // the flag, for messages and `safetmp policy`
	Value  string `json:"value"`  // "rule=value"
}

// Modes of the root directory by default: a private mount is its owner's; a shared one may be entered and written by
// everybody, listed by nobody, and entries are removed by their owners only.
const (
	DefaultPrivateMode = 0o700
	DefaultSharedMode  = 0o1733
)
