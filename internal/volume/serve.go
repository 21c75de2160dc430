package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"safetmp/internal/config"
	"safetmp/internal/control"
	"safetmp/internal/launch"
	"safetmp/internal/mount"
)

const (
	// statusBound is how long a daemon may take to say how it is.
	statusBound = 2 * time.Second
	// endBound is how long a daemon may take to wipe before its connection is aborted.
	endBound = 60 * time.Second
)

// Overhead of a daemon and its watcher over the size of the volume, for the limit of its cgroup: what the daemon is
// promised to stay within, and the processes' own memory.
const (
	overheadPercent = 5
	overheadBytes   = 96 << 20
)

// groupLimit is the limit of the memory cgroup of a volume.
func groupLimit(size int64) int64 { return size + size/100*overheadPercent + overheadBytes }

// Mount notes a user, starts the volume's daemon if there is none, and returns the mountpoint. A user counts once.
//
// Errors: ErrNotFound, ErrLost, ErrTarget, and those of package launch.
func (m *Manager) Mount(ctx context.Context, name, user string) (mountpoint string, err error) {
	v, err := m.acquire(name)
	if err != nil {
		return "", err
	}
	defer v.mu.Unlock()
	r := *v.record.Load()
	alone := len(r.Users) == 0 || slices.Equal(r.Users, []string{user})
	switch m.inspect(ctx, r).condition {
	case Lost:
		if !alone {
			return "", fmt.Errorf("%s: %w", name, ErrLost)
		}
		if _, err := m.end(ctx, r); err != nil {
			return "", err
		}
		if r, err = m.start(ctx, r); err != nil {
			return "", err
		}
	case Idle:
		if r, err = m.start(ctx, r); err != nil {
			return "", err
		}
	}
	if !slices.Contains(r.Users, user) {
		r.Users = append(slices.Clone(r.Users), user)
	}
	return r.Mountpoint, m.store(v, r)
}

// Unmount takes a user away. The volume stays as it is: its files are there for the next one. A user that is not known
// is no error.
//
// Errors: ErrNotFound.
func (m *Manager) Unmount(name, user string) error {
	v, err := m.acquire(name)
	if err != nil {
		return err
	}
	defer v.mu.Unlock()
	r := *v.record.Load()
	if !slices.Contains(r.Users, user) {
		return nil
	}
	r.Users = slices.DeleteFunc(slices.Clone(r.Users), func(u string) bool { return u == user })
	return m.store(v, r)
}

// Remove ends the volume and returns once its contents are overwritten.
//
// Errors: ErrNotFound, ErrInUse.
func (m *Manager) Remove(ctx context.Context, name string) (control.Report, error) {
	v, err := m.acquire(name)
	if err != nil {
		return control.Report{}, err
	}
	defer v.mu.Unlock()
	r := *v.record.Load()
	if len(r.Users) > 0 {
		return control.Report{}, fmt.Errorf("%s: %w", name, ErrInUse)
	}
	report, err := m.end(ctx, r)
	if err != nil {
		return report, err
	}
	if err := m.clear(r); err != nil {
		return report, err
	}
	if err := m.folder.remove(name); err != nil {
		return report, err
	}
	m.forget(v, name)
	return report, nil
}

// Discard takes away what is mounted at a path below Config.Targets that belongs to no volume, because the state folder
// was lost for example, and removes the directory if it is empty. A path that does not exist is no error.
//
// Errors: ErrTarget.
func (m *Manager) Discard(ctx context.Context, target string) error {
	if _, err := below(m.config.Targets, target); err != nil {
		return err
	}
	if r := (record{Name: target, Mountpoint: target}); m.adopt(ctx, &r) {
		if _, err := m.end(ctx, r); err != nil {
			return err
		}
	}
	return removeTarget(m.config.Targets, target)
}

// adopt looks for a safetmp mount at the mountpoint of a record that knows of none, and enters it.
func (m *Manager) adopt(ctx context.Context, r *record) bool {
	entry, p, err := launch.Find(ctx, r.Mountpoint)
	if err != nil || entry.Mountpoint != r.Mountpoint {
		return false
	}
	r.Device = entry.Device.String()
	if p != nil {
		r.Socket, r.Started = p.Client.Path(), p.Status.Started
	}
	return true
}

// clear removes what a volume without a daemon has left: its group and its directory.
func (m *Manager) clear(r record) error {
	if m.config.Groups != nil {
		if err := m.config.Groups.Remove(r.Name); err != nil {
			return err
		}
	}
	root, err := m.root(r.definition())
	if err != nil {
		return err
	}
	err = removeTarget(root, r.Mountpoint)
	if errors.Is(err, ErrTarget) {
		m.config.Log.Warn("the directory of a volume is not there any more", "volume", r.Name, "error", err)
		return nil // what is there instead is not ours to remove
	}
	return err
}

// start starts the daemon of a volume and returns the record that says so.
func (m *Manager) start(ctx context.Context, r record) (record, error) {
	d := r.definition()
	opts, err := d.resolve(m.config.System, m.config.DefaultSize)
	if err != nil {
		return r, err
	}
	opts.Version = m.config.Version
	root, err := m.root(d)
	if err != nil {
		return r, err
	}
	if err := makeTarget(root, r.Mountpoint); err != nil {
		return r, err
	}
	started, err := m.launch(ctx, opts, r.Name)
	if err != nil {
		_ = m.clear(r)
		return r, err
	}
	r.Boot, r.Device, r.Socket, r.Started = m.boot, started.Device, started.Socket, started.At
	if _, ok := m.findEntry(r); !ok {
		// Somebody has put a link where the directory was.
		_, err := m.end(ctx, r)
		return r, errors.Join(fmt.Errorf("%w: %s has moved", ErrTarget, r.Mountpoint), err)
	}
	return r, nil
}

// launch starts the process, in a group of its own.
func (m *Manager) launch(ctx context.Context, opts config.Options, name string) (launch.Started, error) {
	spec := launch.Spec{Program: m.config.Program, Env: m.config.Env, Options: opts}
	if groups := m.config.Groups; groups != nil {
		if err := groups.Make(name, groupLimit(opts.SizeBytes)); err != nil {
			return launch.Started{}, fmt.Errorf("a memory cgroup for volume %s: %w", name, err)
		}
		spec.Place = func(pid int) error { return groups.Add(name, pid) }
	}
	process, started, err := launch.Start(ctx, spec)
	if err != nil {
		return started, err
	}
	go m.await(process, name)
	return started, nil
}

// await takes note of the end of a daemon, so that no zombie stays.
func (m *Manager) await(process *os.Process, name string) {
	state, err := process.Wait()
	m.config.Log.Info("the daemon of a volume has ended", "volume", name, "state", state.String(), "error", err)
}

// end ends the daemon of a volume, if there is one, whoever uses the files.
func (m *Manager) end(ctx context.Context, r record) (control.Report, error) {
	report, confirmed := m.endDaemon(ctx, r)
	return report, m.detach(r, confirmed)
}

// endDaemon has the daemon of a volume wipe and end, and reports whether it has said that it did.
func (m *Manager) endDaemon(ctx context.Context, r record) (report control.Report, confirmed bool) {
	client := m.inspect(ctx, r).client
	if client == nil {
		return control.Report{Forced: true}, false
	}
	bounded, cancel := context.WithTimeout(ctx, endBound)
	defer cancel()
	report, err := client.Unmount(bounded, true)
	if err != nil {
		m.config.Log.Warn("a volume's daemon did not end as it should", "volume", r.Name, "error", err)
		return control.Report{Forced: true}, false
	}
	return report, true
}

// detach takes away the mounts of a volume that its daemon has left: one that was killed, and one that was started in a
// container which has ended since, whose mounts went with it, although the machine and later containers still have theirs.
func (m *Manager) detach(r record, confirmed bool) error {
	var problems []error
	for _, e := range m.entriesOf(r) {
		if !confirmed {
			m.config.Log.Warn("a volume is taken away without its daemon: nobody confirms that memory was overwritten", "volume", r.Name)
		}
		if err := mount.ForceDetach(e); err != nil && !errors.Is(err, mount.ErrNotSafetmp) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// state is how a volume is.
type state struct {
	condition Condition
	client    *control.Client // nil if no daemon answers
	status    *control.Status
}

// inspect finds out how a volume is. A daemon that is dead is not in the way any more afterwards.
func (m *Manager) inspect(ctx context.Context, r record) state {
	if r.Device == "" {
		return state{condition: Idle}
	}
	client, status := ask(ctx, r)
	entry, mounted := m.findEntry(r)
	switch {
	case !mounted || client == nil && mount.ClearDead(entry):
		return state{condition: Lost, client: client}
	case client == nil:
		return state{condition: Silent}
	}
	return state{Serving, client, status}
}

// ask asks the daemon of a volume; the client is nil if it does not answer in time, or is another's.
func ask(ctx context.Context, r record) (*control.Client, *control.Status) {
	ctx, cancel := context.WithTimeout(ctx, statusBound)
	defer cancel()
	client, err := control.Dial(r.Socket)
	if err != nil {
		return nil, nil
	}
	status, err := client.Status(ctx)
	if err != nil || status.Device != r.Device || !status.Started.Equal(r.Started) {
		return nil, nil
	}
	return client, &status
}

// findEntry finds the mount of a volume at the very path where it belongs.
func (m *Manager) findEntry(r record) (mount.Entry, bool) {
	for _, e := range m.entriesOf(r) {
		if e.Mountpoint == r.Mountpoint {
			return e, true
		}
	}
	return mount.Entry{}, false
}

// entriesOf lists the mounts of a volume: at its place, and elsewhere in the folder that this lies in, since a directory on
// the way may have been renamed. The device's number may be that of somebody else's mount by now.
func (m *Manager) entriesOf(r record) []mount.Entry {
	entries, _ := mount.Entries()
	root, _ := m.root(r.definition())
	return slices.DeleteFunc(entries, func(e mount.Entry) bool {
		_, err := below(root, e.Mountpoint)
		return e.Device.String() != r.Device || e.Mountpoint != r.Mountpoint && (e.Source != r.Name || err != nil)
	})
}
