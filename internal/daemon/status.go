package daemon

import (
	"os"
	"runtime"
	"time"

	"safetmp/fs"
	"safetmp/internal/config"
	"safetmp/internal/control"
	"safetmp/internal/fuseconn"
	"safetmp/internal/mount"
	"safetmp/policy"
)

// Device names the mount as the kernel does: "major:minor".
func (d *Daemon) Device() string { return d.mounted.Device.String() }

// Started is when the daemon started, as Status tells it.
func (d *Daemon) Started() time.Time { return d.started }

// Socket is the path of the control socket, empty if there is none.
func (d *Daemon) Socket() string {
	if d.control == nil {
		return ""
	}
	return d.control.Path()
}

// Status describes the mount for control clients.
func (d *Daemon) Status() control.Status {
	s := control.Status{
		Mountpoint: d.mounted.Mountpoint,
		Device:     d.mounted.Device.String(),
		PID:        os.Getpid(),
		Started:    d.started,
		Version:    d.opts.Version,
		Shared:     d.opts.Shared,
		ShareRoot:  d.opts.ShareWithRoot,
		OwnerUID:   d.opts.UID,
		IOMode:     config.IOMemory,
		CacheMode:  d.cacheMode(),
	}
	transport := d.conn.State()
	s.Transport, s.TransportReason = string(transport.Transport), transport.Reason
	if d.fs.PassesThrough() {
		s.IOMode = config.IOPassthrough
	}
	d.describePolicy(&s)
	d.describeStore(&s)
	d.describeMount(&s)
	return s
}

func (d *Daemon) describePolicy(s *control.Status) {
	s.Profile = string(d.policy.Profile())
	s.Enforcing = d.policy.Enforcing()
	s.Listing = d.policy.Listing().String()
	s.Scope = d.policy.Scope().String()
	s.Names = namesOf(d.policy)
	s.TTL, s.DeleteOnClose, s.OwnerExit = d.opts.TTL, d.opts.DeleteOnClose, d.opts.OwnerExit
	s.Removed = byName(d.fs.Removed())
	c := d.fs.Counters()
	s.Refusals, s.Changes = byName(c.Refused), byName(c.Changed)
	s.Warnings = byName(c.Warned)
}

// namesOf is the value of the rule names.
func namesOf(p *policy.Policy) string {
	switch {
	case p.NamingRoot(false):
		return "all"
	case p.NamingRoot(true):
		return "root"
	}
	return "requested"
}

func byName[K ~string](counts map[K]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(counts))
	for rule, n := range counts {
		out[string(rule)] = n
	}
	return out
}

func (d *Daemon) describeStore(s *control.Status) {
	u := d.store.Usage()
	s.Bytes, s.Limit = int64(u.Used), int64(u.Limit)
	s.Inodes, s.InodeLimit = u.Inodes, u.InodeLimit
	s.Wiping = int64(u.Wiping)
	done, total := d.store.Progress()
	s.Overwritten, s.ToOverwrite = int64(done), int64(total)
	s.Entries = d.fs.Entries()
	s.Locked, s.LockReason = u.Locked, u.LockReason
	s.Encrypted, s.EncryptReason, s.KeyMemory = u.Encrypted, d.secrecy.reason, u.KeyMemory
	s.Unswappable = u.InFiles
	s.Exposed, s.Corrupt = d.secrecy.exposed, d.fs.Corruptions()
}

// describeMount tells the flags that the kernel shows for the mount, or that it
// is not in this namespace any more.
func (d *Daemon) describeMount(s *control.Status) {
	e, err := mount.Find(d.mounted.Mountpoint)
	if err != nil || e.Device != d.mounted.Device {
		s.Detached = true
		e = d.mounted.Entry
	}
	s.NoSUID, s.NoDev, s.NoExec, s.NoSymfollow = e.NoSUID, e.NoDev, e.NoExec, e.NoSymfollow
}

// Files lists the entries of the mount root for control clients, and returns
// what overwrites their names once they are sent, in the registers of the thread
// as well.
func (d *Daemon) Files() (files []control.File, wipe func()) {
	runtime.LockOSThread() // until wipe
	all := d.fs.Files()
	for _, f := range all {
		files = append(files, describeFile(f))
	}
	return files, func() {
		for _, f := range all {
			f.Wipe()
		}
		fuseconn.ScrubThread()
		runtime.UnlockOSThread()
	}
}

func describeFile(f fs.File) control.File {
	kind, _ := policy.KindOfMode(f.Mode)
	out := control.File{
		Assigned: f.Assigned, Requested: f.Requested, Kind: kind.String(), Mode: f.Mode & 07777,
		OwnerUID: f.UID, Size: f.Size, Allocated: f.Allocated, Created: f.Created, PID: f.PID, Command: f.Command,
		InUse: f.InUse, Expires: f.Expires,
	}
	if out.Requested == out.Assigned {
		out.Requested = ""
	}
	return out
}
