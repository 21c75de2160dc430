package volume

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// restore reads the records and brings the table up to date with what is mounted.
func (m *Manager) restore(ctx context.Context) error {
	found, err := m.folder.list()
	if err != nil {
		return err
	}
	for _, name := range found {
		r, err := m.folder.read(name)
		if err == nil {
			err = r.check(name, m.placed)
		}
		if err != nil {
			m.config.Log.Error("the record of a volume does not hold and is set aside", "record", m.folder.file(name), "error", err)
			m.folder.setAside(name)
			continue
		}
		if err := m.takeOver(ctx, r); err != nil {
			return err
		}
	}
	m.tidy()
	return nil
}

// takeOver enters one volume into the table.
func (m *Manager) takeOver(ctx context.Context, r record) error {
	v := &volume{}
	if opts, err := r.definition().resolve(m.config.System, m.config.DefaultSize); err == nil {
		v.size = opts.SizeBytes
	} else {
		m.config.Log.Warn("a volume cannot be mounted again", "volume", r.Name, "error", err)
	}
	switch {
	case r.Boot != m.boot && m.config.Forget:
		_ = m.clear(r)
		return m.folder.remove(r.Name)
	case r.Boot != m.boot:
		r.Boot, r.Users, r.Device, r.Socket, r.Started = m.boot, nil, "", "", time.Time{}
	case r.Device == "":
		// The Manager may have been killed between the mount and the record of it.
		m.adopt(ctx, &r)
	}
	m.volumes[r.Name] = v
	return m.store(v, r)
}

// tidy removes directories and groups that belong to no volume, if they are empty.
func (m *Manager) tidy() {
	if m.config.Groups != nil {
		m.config.Groups.Prune()
	}
	mounts := filepath.Join(m.folder.path, mountsName)
	entries, _ := os.ReadDir(mounts)
	for _, e := range entries {
		if m.volumes[e.Name()] == nil {
			_ = os.Remove(filepath.Join(mounts, e.Name())) // fails on a mount, or on files that are not ours
		}
	}
}
