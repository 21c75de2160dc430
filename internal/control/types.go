package control

import "time"

// Handler answers control requests for one mount. internal/daemon implements it. Its methods are called from several
// goroutines at once, one per connection.
type Handler interface {
	// Status describes the mount now. It must answer promptly: never through the mount itself.
	Status() Status
	// Files lists what the mount holds in its naming roots, in no particular order. The server calls wipe once it has
	// sent the names and has no copy of them left, on the same goroutine.
	Files() (files []File, wipe func())
	// Unmount ends the mount: unmounted, drained and wiped when it returns nil. A mount in use gives an error that
	// matches unix.EBUSY and stays as it was, unless force is set.
	Unmount(force bool) (Report, error)
}

// Status is what `safetmp status` shows of one mount. All sizes are bytes. Every text in it was chosen by the daemon
// or by the workload: whoever prints it to a terminal cleans it first.
type Status struct {
	Mountpoint string    `json:"mountpoint"`
	Device     string    `json:"device"` // "major:minor" as in mountinfo; names the mount in every namespace
	PID        int       `json:"pid"`
	Started    time.Time `json:"started"`
	Version    string    `json:"version"`

	Profile   string `json:"profile"`
	Enforcing bool   `json:"enforcing"`
	Listing   string `json:"listing"`
	Scope     string `json:"scope"`
	Names     string `json:"names"`
	Shared    bool   `json:"shared"`
	ShareRoot bool   `json:"share_with_root"` // private, and root may enter
	OwnerUID  uint32 `json:"owner_uid"`

	Bytes      int64 `json:"bytes"` // used, names and attributes included
	Limit      int64 `json:"limit"`
	Inodes     int64 `json:"inodes"`
	InodeLimit int64 `json:"inode_limit"`
	Wiping     int64 `json:"wiping"`  // freed, being overwritten, still counted in Bytes
	Entries    int64 `json:"entries"` // files and directories beside the mount root, deleted ones that are open included

	// Overwritten of ToOverwrite bytes are done at the end of the mount; both are 0 before.
	Overwritten int64 `json:"overwritten,omitempty"`
	ToOverwrite int64 `json:"to_overwrite,omitempty"`

	Locked        bool   `json:"locked"` // contents cannot reach swap because the pages are locked
	LockReason    string `json:"lock_reason,omitempty"`
	Encrypted     bool   `json:"encrypted"`
	EncryptReason string `json:"encrypt_reason,omitempty"`
	Unswappable   bool   `json:"unswappable"`          // contents lie in memory that the kernel never swaps
	KeyMemory     string `json:"key_memory,omitempty"` // where the keys of an encrypted mount lie, in words
	Exposed       bool   `json:"exposed"`              // contents or keys may reach swap
	IOMode        string `json:"io_mode"`              // "memory" or "passthrough"
	Transport     string `json:"transport"`
	// TransportReason says why requests do not come by io_uring, empty if they do or nobody asked for it.
	TransportReason string `json:"transport_reason,omitempty"`
	CacheMode       string `json:"cache_mode"` // "cached" or "direct"; with passthrough the cache is where contents lie
	Corrupt         uint64 `json:"corrupt"`    // requests that met contents changed in memory, answered EIO

	Refusals map[string]uint64 `json:"refusals"` // requests refused, by policy rule
	Warnings map[string]uint64 `json:"warnings"` // requests that would be refused or changed if the policy were enforced
	Changes  map[string]uint64 `json:"changes"`  // requests let through changed (a mode masked), by policy rule

	TTL           time.Duration     `json:"ttl,omitempty"` // nanoseconds; of entries of the root, 0: none
	DeleteOnClose bool              `json:"delete_on_close,omitempty"`
	OwnerExit     bool              `json:"owner_exit,omitempty"`
	Removed       map[string]uint64 `json:"removed"` // entries that a lifetime removed, by its option

	Detached    bool `json:"detached"` // lazily unmounted: the wipe comes with the last close
	NoSUID      bool `json:"nosuid"`
	NoDev       bool `json:"nodev"`
	NoExec      bool `json:"noexec"`
	NoSymfollow bool `json:"nosymfollow"`
}

// File is one entry of a naming root as `safetmp ls` shows it. Requested is what the workload asked for and may hold
// any byte that the policy lets through, except that what is not UTF-8 arrives as U+FFFD.
type File struct {
	Assigned  string    `json:"assigned"`
	Requested string    `json:"requested,omitempty"` // empty when the entry has no alias
	Kind      string    `json:"kind"`                // as policy.Kind prints it: "regular", "directory", ...
	Mode      uint32    `json:"mode"`                // permission bits
	OwnerUID  uint32    `json:"owner_uid"`
	Size      int64     `json:"size"`      // bytes
	Allocated int64     `json:"allocated"` // bytes of pages held
	Created   time.Time `json:"created"`
	PID       uint32    `json:"pid"`              // of the process that made it, in the daemon's pid namespace
	Command   string    `json:"command"`          // of that process, as the kernel's comm: at most 15 bytes
	InUse     bool      `json:"in_use,omitempty"` // open, or something below it is; told only where there is a TTL
	Expires   time.Time `json:"expires,omitzero"` // when the TTL removes it unless it is used before
}

// Report says how a mount ended.
type Report struct {
	Wiped    int64         `json:"wiped"`    // bytes overwritten over the life of the closing store
	Duration time.Duration `json:"duration"` // nanoseconds, from the unmount to the last overwritten page
	Forced   bool          `json:"forced"`   // the connection was aborted under its users
	Complete bool          `json:"complete"` // every page was overwritten
}
