package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/internal/cgroup"
	"safetmp/internal/config"
	"safetmp/internal/control"
)

// Config of a Manager.
type Config struct {
	// State is the folder of the records and of the mounts that have no place of their own. One Manager at a time.
	State string
	// Targets is the folder below which volumes may ask to be mounted; empty: nowhere.
	Targets string
	// Program and Version are those of the caller; Env is its environment.
	Program, Version string
	Env              []string
	// Groups is where each volume gets a memory cgroup; nil: nowhere.
	Groups *cgroup.Parent
	// DefaultSize is the size of a volume that names none, as --size takes it.
	DefaultSize string
	// MaxVolumes and MaxTotal, in bytes, bound all volumes together; 0: no bound.
	MaxVolumes int
	MaxTotal   int64
	// Forget drops the volumes of an earlier boot; otherwise they come back, empty.
	Forget bool
	// System is the machine that options are checked against.
	System config.System
	Log    *slog.Logger
}

// Manager keeps the volumes of one engine. Safe for concurrent use.
type Manager struct {
	config Config
	folder folder
	lock   *os.File // held while the Manager lives
	boot   string

	// mu guards the table.
	mu      sync.Mutex
	volumes map[string]*volume // guarded by mu
}

// volume is one row of the table.
type volume struct {
	// mu makes operations on the volume wait for each other.
	mu   sync.Mutex
	gone bool // guarded by mu: it was removed while the caller waited

	size   int64                  // promised to it; immutable
	record atomic.Pointer[record] // nil while it is being made; stored under mu
}

// Condition says how a volume is.
type Condition string

const (
	// Idle: it was not mounted yet, and takes no memory.
	Idle Condition = "idle"
	// Serving: its daemon answers.
	Serving Condition = "serving"
	// Silent: it is mounted and its daemon does not answer.
	Silent Condition = "silent"
	// Lost: it was mounted and is not any more, its files are gone.
	Lost Condition = "lost"
)

// Volume is what is known of a volume at one moment.
type Volume struct {
	Name, Mountpoint string
	Options          map[string]string
	Created          time.Time
	Users            []string
	// Condition and Status are what Get found; empty in a list.
	Condition Condition
	Status    *control.Status // nil unless Serving
}

// Open takes over a state folder: volumes that are mounted stay so.
//
// Errors: somebody else has it, or can write to it.
func Open(ctx context.Context, c Config) (*Manager, error) {
	f, err := openFolder(c.State)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(c.State, "lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: another process keeps these volumes", c.State)
	}
	m := &Manager{config: c, folder: f, lock: lock, boot: bootID(), volumes: map[string]*volume{}}
	if err := m.restore(ctx); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return m, nil
}

// End ends every daemon, whoever uses its volume, and returns once they have overwritten what they held. The volumes
// stay known: for users that are left they are lost, for the next one they begin anew.
func (m *Manager) End(ctx context.Context) {
	var done sync.WaitGroup
	for _, one := range m.List() {
		done.Go(func() {
			v, err := m.acquire(one.Name)
			if err != nil {
				return // removed meanwhile
			}
			defer v.mu.Unlock()
			report, err := m.end(ctx, *v.record.Load())
			m.config.Log.Info("volume ended", "volume", one.Name, "overwritten", report.Wiped, "complete", report.Complete, "error", err)
		})
	}
	done.Wait()
}

// Close lets somebody else take over. Volumes that are mounted stay so.
func (m *Manager) Close() error {
	if m.config.Groups != nil {
		m.config.Groups.Close()
	}
	return m.lock.Close()
}

// Create makes a volume, which takes no memory until it is mounted. Making the same one again is no error.
//
// Errors: ErrName, ErrTarget, *config.UsageError, ErrDiffers, ErrLimit.
func (m *Manager) Create(d Definition) error {
	if !names.MatchString(d.Name) {
		return fmt.Errorf("%.140q: %w", d.Name, ErrName)
	}
	d.Mountpoint = cmp.Or(d.Mountpoint, m.folder.mountpoint(d.Name))
	if err := m.placed(d); err != nil {
		return err
	}
	for {
		v, isNew, err := m.claim(d)
		if err != nil {
			return err
		}
		if !isNew {
			v.mu.Lock()
		}
		err = m.settle(v, d, isNew)
		v.mu.Unlock()
		if !errors.Is(err, errGone) {
			return err
		}
	}
}

// errGone says that a volume was removed while the caller waited for it.
var errGone = errors.New("gone")

// claim finds the volume of that name, or enters a new one, locked, if there is room for it.
func (m *Manager) claim(d Definition) (v *volume, isNew bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.volumes[d.Name]; v != nil {
		return v, false, nil
	}
	opts, err := d.resolve(m.config.System, m.config.DefaultSize)
	if err != nil {
		return nil, false, err
	}
	if err := m.checkRoomLocked(opts.SizeBytes); err != nil {
		return nil, false, err
	}
	v = &volume{size: opts.SizeBytes}
	v.mu.Lock()
	m.volumes[d.Name] = v
	return v, true, nil
}

// checkRoomLocked holds one volume more against the limits. Preconditions: mu is held.
func (m *Manager) checkRoomLocked(size int64) error {
	if most := m.config.MaxVolumes; most > 0 && len(m.volumes) >= most {
		return fmt.Errorf("%w: %d volumes", ErrLimit, most)
	}
	promised := size
	for _, v := range m.volumes {
		promised += v.size
	}
	if most := m.config.MaxTotal; most > 0 && promised > most {
		return fmt.Errorf("%w: %d bytes would be promised to volumes, at most %d may be", ErrLimit, promised, most)
	}
	return nil
}

// settle writes the record of a new volume, or compares an old one. Preconditions: v.mu is held.
func (m *Manager) settle(v *volume, d Definition, isNew bool) error {
	switch {
	case v.gone:
		return errGone
	case !isNew && !v.record.Load().definition().same(d):
		return fmt.Errorf("%s: %w", d.Name, ErrDiffers)
	case !isNew:
		return nil
	}
	r := record{Format: format, Name: d.Name, Mountpoint: d.Mountpoint, Options: d.Options, Created: time.Now().UTC(), Boot: m.boot}
	if err := m.store(v, r); err != nil {
		m.forget(v, d.Name)
		return err
	}
	return nil
}

// store writes a record and makes it the one that counts. Preconditions: v.mu is held.
func (m *Manager) store(v *volume, r record) error {
	if err := m.folder.write(r); err != nil {
		return fmt.Errorf("keeping the state of volume %s: %w", r.Name, err)
	}
	v.record.Store(&r)
	return nil
}

// forget takes a volume out of the table. Preconditions: v.mu is held.
func (m *Manager) forget(v *volume, name string) {
	m.mu.Lock()
	delete(m.volumes, name)
	m.mu.Unlock()
	v.gone = true
}

// acquire finds a volume and locks it.
//
// Errors: ErrNotFound.
func (m *Manager) acquire(name string) (*volume, error) {
	m.mu.Lock()
	v := m.volumes[name]
	m.mu.Unlock()
	if v != nil {
		v.mu.Lock()
		if !v.gone {
			return v, nil
		}
		v.mu.Unlock()
	}
	return nil, fmt.Errorf("%.140q: %w", name, ErrNotFound)
}

// placed checks that a mountpoint is where it may be.
func (m *Manager) placed(d Definition) error {
	_, err := m.root(d)
	return err
}

// root is the folder below which the mountpoint of a volume lies.
func (m *Manager) root(d Definition) (string, error) {
	if d.Mountpoint == m.folder.mountpoint(d.Name) {
		return filepath.Dir(d.Mountpoint), nil
	}
	_, err := below(m.config.Targets, d.Mountpoint)
	return m.config.Targets, err
}

// List lists the volumes, by name. It asks no daemon.
func (m *Manager) List() []Volume {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Volume
	for _, v := range m.volumes {
		if r := v.record.Load(); r != nil {
			all = append(all, describe(*r))
		}
	}
	slices.SortFunc(all, func(a, b Volume) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Get looks a volume up and asks its daemon how it is. It does not wait for an operation that is under way.
//
// Errors: ErrNotFound.
func (m *Manager) Get(ctx context.Context, name string) (Volume, error) {
	m.mu.Lock()
	v := m.volumes[name]
	m.mu.Unlock()
	if v == nil || v.record.Load() == nil {
		return Volume{}, fmt.Errorf("%.140q: %w", name, ErrNotFound)
	}
	r := *v.record.Load()
	found := describe(r)
	state := m.inspect(ctx, r)
	found.Condition, found.Status = state.condition, state.status
	return found, nil
}

func describe(r record) Volume {
	return Volume{Name: r.Name, Mountpoint: r.Mountpoint, Options: r.Options, Created: r.Created, Users: slices.Clone(r.Users)}
}
