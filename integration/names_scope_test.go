//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// An actor reads, writes and leaves its session when asked to.
func init() {
	helpers["actor"] = func([]string) error {
		return serve(func(line string) string {
			switch {
			case line == "leave":
				_, err := unix.Setsid()
				return errname(err)
			case line[0] == '<':
				data, err := os.ReadFile(line[1:])
				if err != nil {
					return errname(err)
				}
				return string(data)
			case line[0] == '>':
				return errname(os.WriteFile(line[1:], []byte("by actor"), 0o600))
			}
			return "what?"
		})
	}
}

// TestScopeUID: the alias belongs to the user, in every session of his.
func TestScopeUID(t *testing.T) {
	m := mountTest(t)
	path := filepath.Join(m.dir, "a")
	require.NoError(t, as(m.owner, func() error { return os.WriteFile(path, []byte("A"), 0o600) }))
	cmd := helperCommand(m.owner, "actor")
	cmd.SysProcAttr.Setpgid = false // so that it may start a session
	actor := startedPartner(t, cmd)
	assert.Equal(t, "A", actor.ask(t, "<"+path))
	require.Equal(t, "ok", actor.ask(t, "leave"))
	assert.Equal(t, "A", actor.ask(t, "<"+path), "in a session of its own")
	assert.Equal(t, "ok", actor.ask(t, ">"+path))
	require.NoError(t, as(m.owner, func() error {
		data, err := os.ReadFile(path)
		assert.Equal(t, "by actor", string(data))
		return err
	}))
}

// TestScopeSession: a process that starts a session leaves its aliases behind.
func TestScopeSession(t *testing.T) {
	m := mountTest(t, options("scope=session"))
	path := filepath.Join(m.dir, "a")
	cmd := helperCommand(m.owner, "actor")
	cmd.SysProcAttr.Setpgid = false // so that it may start a session
	actor := startedPartner(t, cmd)
	require.Equal(t, "ok", actor.ask(t, ">"+path))
	require.NoError(t, as(m.owner, func() error {
		data, err := os.ReadFile(path)
		assert.Equal(t, "by actor", string(data), "our session is the actor's")
		return err
	}))
	require.Equal(t, "ok", actor.ask(t, "leave"))
	assert.Equal(t, "ENOENT", actor.ask(t, "<"+path), "the new session never had that name")
	assert.Equal(t, "ok", actor.ask(t, ">"+path), "and can have one of its own")
	require.NoError(t, as(m.owner, func() error {
		for _, name := range rawListing(t, m.dir) {
			assert.Equal(t, "ok", exists(filepath.Join(m.dir, name)), "an assigned name resolves for its owner in every session")
		}
		assert.Len(t, rawListing(t, m.dir), 2)
		data, err := os.ReadFile(path)
		assert.Equal(t, "by actor", string(data))
		return err
	}))
}

// TestScopeOfUsers: two users have one name each, see their own entry only,
// and remove their own only.
func TestScopeOfUsers(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("shared"))
	path := filepath.Join(m.dir, "same")
	names := map[int]string{}
	for _, uid := range []int{victim, other} {
		require.NoError(t, as(uid, func() error {
			if err := os.WriteFile(path, []byte{byte('0' + uid%10)}, 0o600); err != nil {
				return err
			}
			names[uid] = assignedTo(t, path)
			return nil
		}))
	}
	assert.NotEqual(t, names[victim], names[other])
	require.NoError(t, as(other, func() error { return unix.Unlink(path) }))
	require.NoError(t, as(victim, func() error {
		data, err := os.ReadFile(path)
		assert.Equal(t, "0", string(data))
		assert.Equal(t, []string{names[victim]}, rawListing(t, m.dir))
		return err
	}))
}

// TestScopeOfUsersAtOnce has two users create, read and remove the same names
// at the same time; each ever meets his own.
func TestScopeOfUsersAtOnce(t *testing.T) {
	needRoot(t)
	m := mountTest(t, options("shared"))
	path := filepath.Join(m.dir, "same")
	var wait sync.WaitGroup
	for _, uid := range []int{victim, other} {
		wait.Go(func() {
			assert.NoError(t, as(uid, func() error {
				mine := []byte{byte('0' + uid%10)}
				for range 500 {
					if err := os.WriteFile(path, mine, 0o600); err != nil {
						return err
					}
					data, err := os.ReadFile(path)
					if err != nil {
						return err
					}
					assert.Equal(t, string(mine), string(data))
					if err := unix.Unlink(path); err != nil {
						return err
					}
				}
				return nil
			}))
		})
	}
	wait.Wait()
}
