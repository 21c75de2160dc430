package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"safetmp/internal/config"
	"safetmp/memstore"
)

// ErrExposed says that contents could reach swap: they can neither be locked nor encrypted with locked keys, or that was
// not wanted.
var ErrExposed = errors.New("contents could reach swap")

// exposure is the refusal to mount for that reason.
type exposure struct{ cause error }

// Error says why.
func (e *exposure) Error() string { return fmt.Sprintf("mount: %v: %v", ErrExposed, e.cause) }

// Unwrap returns ErrExposed and what memstore said.
func (e *exposure) Unwrap() []error { return []error{ErrExposed, e.cause} }

// Hint says what the caller may try.
func (e *exposure) Hint() string {
	return "raise the limit of locked memory (ulimit -l, LimitMEMLOCK=), leave encrypt and key_memory at auto, or say allow_swap"
}

// secrecy is how contents are kept out of swap.
type secrecy struct {
	reason  string // why they are encrypted, or are not
	exposed bool   // they may reach it all the same, or keys may
}

// openStore makes the store. No plaintext goes to swap: contents are locked where that is permitted; else there is no swap, or
// they are encrypted, or the mount is refused unless it is allowed to be exposed.
func (d *Daemon) openStore() error {
	cfg := d.opts.Store()
	if cfg.Files {
		return d.openFiles(cfg)
	}
	if cfg.Encrypt {
		return d.openEncrypted(cfg, "asked for")
	}
	cfg.Lock = memstore.LockRequire
	err := d.open(cfg, "not needed: contents are locked in memory")
	if !errors.Is(err, memstore.ErrNotLocked) {
		return err
	}
	cfg.Lock = memstore.LockTry
	swap := config.SwapPossible(os.DirFS("/"))
	switch {
	case !swap:
		return d.open(cfg, "not needed: there was no swap when this was mounted")
	case d.opts.Encrypt != config.EncryptOff:
		return d.openEncrypted(cfg, "since contents cannot be locked and there is swap")
	case d.opts.AllowSwap:
		return d.openExposed(cfg)
	}
	return &exposure{err}
}

// open makes a store that does not reach swap.
func (d *Daemon) open(cfg memstore.Config, reason string) (err error) {
	d.store, err = memstore.New(cfg)
	d.secrecy.reason = reason
	return err
}

// openEncrypted makes an encrypted store. What is encrypted need not be locked; its keys take what may be.
func (d *Daemon) openEncrypted(cfg memstore.Config, reason string) error {
	cfg.Encrypt, cfg.Lock = true, memstore.LockNever
	err := d.open(cfg, reason)
	if errors.Is(err, memstore.ErrNotLocked) {
		return &exposure{err}
	}
	if err == nil && !d.store.Usage().KeysLocked {
		d.expose("the keys of this mount may reach swap")
	}
	return err
}

// openExposed makes a plain store of which swap may get to see something, as was allowed.
func (d *Daemon) openExposed(cfg memstore.Config) error {
	err := d.open(cfg, "switched off")
	if err == nil {
		d.expose("contents of this mount may reach swap")
	}
	return err
}

func (d *Daemon) expose(warning string) {
	d.secrecy.exposed = true
	d.warn(warning)
}

// warn notes what whoever mounts should know.
func (d *Daemon) warn(text string) {
	d.warnings = append(d.warnings, text)
	slog.Warn(text)
}

// Warnings are what whoever mounted should be told. They do not change.
func (d *Daemon) Warnings() []string { return d.warnings }

// chooseCache settles whether contents bypass the kernel's page cache, where they would lie in clear. Preconditions: INIT is
// answered, no other request is.
func (d *Daemon) chooseCache() {
	encrypted := d.store.Usage().Encrypted
	switch {
	case d.fs.PassesThrough(), d.opts.Cache == config.CacheCached:
	case d.opts.Cache == config.CacheDirect, encrypted && d.conn.DirectMmap():
		d.fs.BypassPageCache()
		if !d.conn.DirectMmap() {
			d.warn("files cannot be mapped shared (mmap) before Linux 6.6 unless they are cached")
		}
	case encrypted:
		d.warn("contents lie in the kernel's page cache in clear, since it is older than Linux 6.6")
	}
}

// cacheMode is chooseCache's decision, for status.
func (d *Daemon) cacheMode() string {
	if d.fs.BypassesPageCache() {
		return config.CacheDirect
	}
	return config.CacheCached
}

// Secrecy says in a line how contents are kept out of swap.
func (d *Daemon) Secrecy() string {
	u := d.store.Usage()
	switch {
	case u.InFiles:
		return "contents are in memory that the kernel never swaps (tmpfs, noswap)"
	case u.Encrypted:
		return fmt.Sprintf("contents are encrypted (%s), keys are in memory that is %s", d.secrecy.reason, u.KeyMemory)
	case u.Locked:
		return "contents are locked in memory"
	case d.secrecy.exposed:
		return "contents may reach swap, as was allowed: " + u.LockReason
	}
	return "contents are neither locked nor encrypted, since there was no swap: " + u.LockReason
}
