//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// raceTime is how long attackers and victim run against each other.
const raceTime = 1500 * time.Millisecond

// duel lets attackers loop as another user while the victim works, and says
// how often each came round. The victim's rounds judge.
type duel struct {
	attacks map[string]func(round int) // each in a goroutine of its own; round counts from 0
	victim  func(round int) error
}

// fight runs d until raceTime has passed and fails if either side never acted.
func (d duel) fight(t *testing.T) (rounds int64) {
	t.Helper()
	var stop atomic.Bool
	var wait sync.WaitGroup
	counts := map[string]*atomic.Int64{}
	for name, attack := range d.attacks {
		count := &atomic.Int64{}
		counts[name] = count
		wait.Go(func() {
			assert.NoError(t, as(other, func() error {
				for round := 0; !stop.Load(); round++ {
					attack(round)
					count.Add(1)
				}
				return nil
			}))
		})
	}
	assert.NoError(t, as(victim, func() error {
		for end := time.Now().Add(raceTime); time.Now().Before(end); rounds++ {
			if err := d.victim(int(rounds)); err != nil {
				return err
			}
		}
		return nil
	}))
	stop.Store(true)
	wait.Wait()
	for name, count := range counts {
		t.Logf("%s: %d attempts", name, count.Load())
		assert.Positive(t, count.Load(), "%s was never tried", name)
	}
	assert.Positive(t, rounds, "the victim never worked")
	return rounds
}

// TestRaceOverOneName: while the victim goes on replacing, reading and
// removing foo, attackers squat it, link it, rename over it, exchange it,
// remove it and look for it. The victim always meets its own file; nobody else
// ever meets it.
func TestRaceOverOneName(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	m := mountTest(t, options("shared"))
	path := filepath.Join(m.dir, "foo")
	var stolen atomic.Int64
	steal := func(from string) {
		if data, err := os.ReadFile(from); err == nil && bytes.Contains(data, []byte(secret)) {
			stolen.Add(1)
		}
	}
	d := duel{
		attacks: map[string]func(int){
			"squat": func(int) { _ = os.WriteFile(path, []byte("bait"), 0o666); steal(path) },
			"link": func(int) {
				_ = unix.Symlink("/etc/passwd", path)
				_ = unix.Link(path, path+".link")
				steal(path + ".link")
			},
			"rename over": func(int) {
				_ = os.WriteFile(path+".mine", []byte("bait"), 0o666)
				_ = unix.Rename(path+".mine", path)
			},
			"exchange": func(int) {
				_ = os.WriteFile(path+".swap", []byte("bait"), 0o666)
				_ = unix.Renameat2(unix.AT_FDCWD, path+".swap", unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
				steal(path + ".swap")
			},
			"remove": func(int) { _ = unix.Unlink(path); _ = unix.Rmdir(path); _ = unix.Mkdir(path, 0o777) },
			"look":   func(int) { steal(path); _ = unix.Truncate(path, 0); _ = unix.Chmod(path, 0o777) },
		},
		victim: func(round int) error { return victimRound(path, round) },
	}
	d.fight(t)
	assert.Zero(t, stolen.Load(), "times that an attacker read the secret")
}

// victimRound is one turn of a careless program: it writes by a fixed name
// without O_EXCL, checks, replaces by rename, checks, and removes.
func victimRound(path string, round int) error {
	text := fmt.Sprint(secret, " ", round)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := expectContent(path, text); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", []byte(text+" more"), 0o666); err != nil {
		return fmt.Errorf("write beside: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	if err := expectContent(path, text+" more"); err != nil {
		return err
	}
	if err := unix.Unlink(path); err != nil {
		return fmt.Errorf("unlink: %w", err)
	}
	if got := exists(path); got != "ENOENT" {
		return fmt.Errorf("after unlink: %s", got)
	}
	return nil
}

func expectContent(path, want string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if string(data) != want {
		return fmt.Errorf("read back %q, want %q", data, want)
	}
	return nil
}

// TestRacePredictableNames: the attacker knows which names come next, as with
// job.1, job.2 (CVE-2025-71176 is one of many), and takes each beforehand.
func TestRacePredictableNames(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	m := mountTest(t, options("shared", "nr_inodes=1m"))
	job := func(n int) string { return filepath.Join(m.dir, fmt.Sprint("job.", n)) }
	var at atomic.Int64
	d := duel{
		attacks: map[string]func(int){
			"squat the next": func(int) {
				next := job(int(at.Load()) + 1)
				_ = os.WriteFile(next, []byte("bait"), 0o666)
				_ = unix.Unlink(next)
			},
			"link the next": func(int) { _ = unix.Symlink("/etc/passwd", job(int(at.Load())+1)) },
		},
		victim: func(round int) error {
			at.Store(int64(round))
			if err := tryOpen(job(round), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600); err != nil {
				return fmt.Errorf("exclusive create: %w", err)
			}
			return unix.Unlink(job(round))
		},
	}
	d.fight(t)
}

// TestRaceSymlinkSwap: the attacker shares the victim's uid here, as a
// careless program's own helper would, and tries to swap a directory for a
// link while the victim walks through it. There are no links to swap in; the
// control on tmpfs shows that the walk can be led astray.
func TestRaceSymlinkSwap(t *testing.T) {
	attack(t, nil, func(t *testing.T, a *arena, count *attempts) {
		outside := mountOracle(t, 0o777, "size=1m")
		require.NoError(t, as(user(), func() error { return os.WriteFile(outside+"/f", []byte("outside"), 0o600) }))
		dir, link := filepath.Join(a.dir, "dir"), filepath.Join(a.dir, "link")
		require.NoError(t, as(user(), func() error {
			if err := unix.Mkdir(dir, 0o700); err != nil {
				return err
			}
			return os.WriteFile(dir+"/f", []byte("inside"), 0o600)
		}))
		var stop atomic.Bool
		var swaps atomic.Int64
		var wait sync.WaitGroup
		wait.Go(func() {
			_ = as(user(), func() error {
				for ; !stop.Load(); swaps.Add(1) {
					_ = unix.Symlink(outside, link)
					_ = unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
				}
				return nil
			})
		})
		require.NoError(t, as(user(), func() error {
			for end := time.Now().Add(raceTime / 2); time.Now().Before(end); {
				data, err := os.ReadFile(dir + "/f")
				count.try(err == nil && string(data) == "outside")
			}
			return nil
		}))
		stop.Store(true)
		wait.Wait()
		assert.Positive(t, swaps.Load(), "swaps")
	})
}

// TestRaceLookups: while the victim's names are hot in the kernel's cache of
// names, another user's look-ups of the same names find nothing. The cache is
// one for all users, so a single entry kept in it would tell.
func TestRaceLookups(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	m := mountTest(t, options("shared"))
	const names = 20
	path := func(n int) string { return filepath.Join(m.dir, fmt.Sprint("hot", n)) }
	for n := range names {
		victimWrites(t, path(n))
	}
	var found atomic.Int64
	look := func(round int) {
		var st unix.Stat_t
		if unix.Lstat(path(round%names), &st) != unix.ENOENT {
			found.Add(1)
		}
		if tryOpen(path(round%names), unix.O_RDONLY, 0) != unix.ENOENT {
			found.Add(1)
		}
	}
	d := duel{
		attacks: map[string]func(int){"look": look, "look too": func(round int) { look(round + names/2) }},
		victim: func(round int) error {
			if got := exists(path(round % names)); got != "ok" {
				return fmt.Errorf("the victim's stat: %s", got)
			}
			return expectContent(path(round%names), secret)
		},
	}
	d.fight(t)
	assert.Zero(t, found.Load(), "look-ups of another user that found something")
}

// TestRaceSockets: a child connects to its parent's socket by the name that
// the parent bound, while an attacker binds the same name again and again.
func TestRaceSockets(t *testing.T) {
	needRoot(t)
	needSafetmp(t)
	m := mountTest(t, options("shared"))
	path := filepath.Join(m.dir, "agent.sock")
	d := duel{
		attacks: map[string]func(int){"bind": func(int) { bindOnce(path) }},
		victim: func(round int) error {
			listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(listener)
			if err := unix.Bind(listener, &unix.SockaddrUnix{Name: path}); err != nil {
				return fmt.Errorf("bind: %w", err)
			}
			defer unix.Unlink(path)
			if err := unix.Listen(listener, 1); err != nil {
				return err
			}
			return connectsTo(path, victim)
		},
	}
	d.fight(t)
}

// bindOnce has a socket at path for a moment.
func bindOnce(path string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.Bind(fd, &unix.SockaddrUnix{Name: path}) == nil && unix.Listen(fd, 8) == nil {
		time.Sleep(time.Millisecond)
	}
	_ = unix.Unlink(path)
}

// connectsTo checks that the peer at path runs as uid.
func connectsTo(path string, uid int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err == nil && int(peer.Uid) != uid {
		err = fmt.Errorf("connected to uid %d", peer.Uid)
	}
	return err
}

// TestLogTellsNothing: whatever was refused, no name and no content is in the
// daemon's log.
func TestLogTellsNothing(t *testing.T) {
	m := mountTest(t)
	const name, content = "telltale-name", "telltale-content"
	inside(t, m.owner, func(t *testing.T) {
		require.NoError(t, os.WriteFile(m.dir+"/"+name, []byte(content), 0o666))
		assert.Error(t, unix.Symlink(content, m.dir+"/"+name+".link"))
		assert.Error(t, unix.Mkdir(m.dir+"/"+name+"\n", 0o700))
		assert.Error(t, unix.Mknod(m.dir+"/"+name+".dev", unix.S_IFCHR|0o600, 0))
		assert.Error(t, unix.Setxattr(m.dir+"/"+name, "security."+name, []byte(content), 0))
	})
	assert.Eventually(t, func() bool { return strings.Contains(m.logTail(), "symlinks") },
		5*time.Second, 10*time.Millisecond, "the refusal is in the log, by its rule:\n%s", m.logTail())
	assert.NotContains(t, m.logTail(), "telltale")
}
