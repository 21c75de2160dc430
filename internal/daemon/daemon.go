package daemon

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"safetmp/fs"
	"safetmp/internal/config"
	"safetmp/internal/control"
	"safetmp/internal/fuseconn"
	"safetmp/internal/mount"
	"safetmp/internal/watch"
	"safetmp/memstore"
	"safetmp/policy"
)

// lostLinger is how long the daemon stays after the end of a mount whose watcher
// was lost, so that the command which has unmounted in its place can ask for
// the report.
const lostLinger = time.Second

// gcPercent bounds the garbage in the daemon's heap, in percent of what is in
// use: fs charges an entry for its share of it. It holds once the mount is
// gcAfter old: what starting took is garbage at once, and to collect it would
// take as long as all the rest of a `run` that ends at once.
const (
	gcPercent = 25
	gcAfter   = time.Second
)

// Daemon serves one mount.
type Daemon struct {
	opts    config.Options
	mounted *mount.Mounted
	started time.Time

	policy  *policy.Policy
	store   *memstore.Store
	fs      *fs.FS
	conn    *fuseconn.Conn
	control *control.Server
	guard   *watch.Guard // nil in `run`, whose mount ends with its namespace
	reaper  *reaper      // nil without lifetimes

	// mu makes sure that the end begins once.
	mu     sync.Mutex
	ending bool // guarded by mu

	secrecy  secrecy  // set by assemble
	warnings []string // set by assemble

	eventKey [32]byte // immutable; under which names in events are hashed

	hardened atomic.Bool // it may not unmount by itself

	ended  chan struct{} // closed once report is set
	report control.Report
}

// Start is StartGuarded without a watcher, for `run`: the mount ends with its
// namespace, and the daemon may signal other processes.
func Start(opts config.Options, m *mount.Mounted) (*Daemon, error) {
	return serve(opts, m, nil, func(d *Daemon) { d.harden(true) })
}

// StartGuarded serves the filesystem m as opts describe it and returns once it
// answers. The daemon owns m and its watcher g from now on, also if it fails,
// and the process is hardened: it opens, starts and connects nothing any more.
func StartGuarded(opts config.Options, m *mount.Mounted, g *watch.Guard) (*Daemon, error) {
	return serve(opts, m, g, func(d *Daemon) { d.harden(false) })
}

// serve has the process hardened when all is set up, before the first request.
func serve(opts config.Options, m *mount.Mounted, g *watch.Guard, harden func(*Daemon)) (*Daemon, error) {
	hide()
	time.AfterFunc(gcAfter, func() { debug.SetGCPercent(gcPercent) })
	d := &Daemon{opts: opts, mounted: m, guard: g, started: time.Now(), eventKey: newEventKey(), ended: make(chan struct{})}
	if err := d.assemble(); err != nil {
		_ = mount.Detach(m.Entry)
		d.finish(true)
		d.Close()
		return nil, err
	}
	if err := d.listen(); err != nil {
		slog.Warn("no control socket: status, ls and the report of umount are not available", "error", err)
	}
	harden(d)
	if err := d.conn.Serve(); err != nil {
		_ = g.ForceDetach(m.Entry)
		d.finish(true)
		d.Close()
		return nil, err
	}
	d.reaper.start(d.fs)
	go d.awaitUnmount()
	return d, nil
}

// assemble makes the parts, from the bottom up, and answers INIT.
func (d *Daemon) assemble() (err error) {
	if d.policy, err = d.opts.Policy(); err != nil {
		return err
	}
	if err := d.openStore(); err != nil {
		return err
	}
	if d.fs, err = d.newFS(); err != nil {
		return err
	}
	if d.conn, err = fuseconn.New(d.mounted.Dev, d.fs, slog.Default(), fuseconn.Transport(d.opts.Transport)); err != nil {
		return err
	}
	if err := d.conn.Init(); err != nil {
		return explainInit(err)
	}
	d.chooseCache()
	return nil
}

func (d *Daemon) newFS() (*fs.FS, error) {
	lifetimes := d.lifetimes()
	namer, err := policy.NewNamer(rand.Reader, d.opts.NameTemplate)
	if err != nil {
		return nil, err
	}
	return fs.New(fs.Options{
		Policy:   d.policy,
		Store:    d.store,
		Namer:    namer,
		Shared:   d.opts.Shared || d.opts.ShareWithRoot,
		RootToo:  d.opts.ShareWithRoot,
		OwnerUID: d.opts.UID,
		OwnerGID: d.opts.GID,
		RootMode: d.opts.Mode,
		Report:   d.refusalTeller(),
		Corrupt:  newRefusalLog(slog.Default(), time.Now).addCorruption,
		Command:  commandOf,

		Lifetimes: lifetimes,
	})
}

// listen opens the control socket.
func (d *Daemon) listen() error {
	folder, err := control.Folder()
	if err != nil {
		return err
	}
	if d.control, err = control.Listen(folder, d.opts.UID, d.mounted.Device.Label()); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	d.guard.Announce(d.control.Path())
	go d.control.Serve(d)
	return nil
}

// awaitUnmount ends the daemon when the kernel has ended the connection: the
// mount was unmounted from outside and its last file closed.
func (d *Daemon) awaitUnmount() {
	<-d.conn.Done()
	for !d.begin() {
		select {
		case <-d.ended:
			return
		case <-time.After(10 * time.Millisecond):
			// An unmount that was refused meanwhile resumes.
		}
	}
	// After an abort the dead mount is still there; else there is nothing to do.
	_ = mount.Detach(d.mounted.Entry)
	d.finish(false)
}

// Ended is closed when everything is wiped; Report then tells how it went.
func (d *Daemon) Ended() <-chan struct{} { return d.ended }

// Rest gives the kernel the memory back that is kept for files to come.
func (d *Daemon) Rest() { d.store.GiveBack() }

// Report tells how the mount ended. Preconditions: Ended is closed.
func (d *Daemon) Report() control.Report { return d.report }

// Close waits until control clients have their answers and closes what is left.
// Preconditions: Ended is closed. The process exits next.
func (d *Daemon) Close() {
	if d.guard.Lost() {
		time.Sleep(lostLinger)
	}
	if d.control != nil {
		d.control.Close()
	}
	if d.conn != nil {
		_ = d.conn.Close()
	} else {
		_ = d.mounted.Dev.Close()
	}
	testHoldExit()
}
