package suites

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"safetmp/fs"
	"safetmp/internal/config"
	"safetmp/internal/fuseconn"
	"safetmp/internal/hosttest"
	"safetmp/internal/mount"
	"safetmp/memstore"
	"safetmp/policy"
)

// helpers are second processes: the server, and the workers of concurrency
// tests.
var helpers = map[string]func(args []string) error{"serve": serve}

// helperCommand prepares a helper in a process of its own.
func helperCommand(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = []string{hosttest.HelperEnv(name)}
	return cmd
}

// server is the daemon's assembly without its control socket, and with the
// self-checks within reach.
type server struct {
	store *memstore.Store
	fs    *fs.FS
	conn  *fuseconn.Conn
}

// serve mounts on args[0] as the words of args[1] say, serves until the mount
// ends, and fails if anything is inconsistent or left then.
func serve(args []string) error {
	s, err := newServer(args[0], args[1])
	if err != nil {
		return err
	}
	if err := s.conn.Serve(); err != nil {
		return err
	}
	go s.answer()
	<-s.conn.Done()
	s.conn.Stop()
	return errors.Join(s.check(), s.end())
}

// newServer mounts and answers INIT.
func newServer(dir, words string) (*server, error) {
	opts, p, err := parseWords(words)
	if err != nil {
		return nil, err
	}
	m, err := mount.Mount(mount.Spec{Mountpoint: dir, Source: "safetmp", UID: opts.UID, GID: opts.GID,
		Shared: opts.Shared, NoExec: p.NoExecMount(), NoSymfollow: p.NoSymfollowMount(), MaxRead: fuseconn.MaxWrite,
		Unchecked: opts.UID == root && !opts.Shared && !opts.CheckModes && mount.OverridesModes()})
	if err != nil {
		return nil, err
	}
	s := &server{}
	if s.store, err = memstore.New(opts.Store()); err != nil {
		return nil, err
	}
	namer, err := policy.NewNamer(rand.Reader, "")
	if err != nil {
		return nil, err
	}
	s.fs, err = fs.New(fs.Options{Policy: p, Store: s.store, Namer: namer, Shared: opts.Shared,
		OwnerUID: opts.UID, OwnerGID: opts.GID, RootMode: opts.Mode})
	if err != nil {
		return nil, err
	}
	if s.conn, err = fuseconn.New(m.Dev, s.fs, slog.Default(), fuseconn.Transport(opts.Transport)); err != nil {
		return nil, err
	}
	if err := s.conn.Init(); err != nil {
		return nil, err
	}
	s.chooseCache(opts)
	return s, nil
}

// chooseCache bypasses the page cache where the daemon does, for encrypted
// contents or if asked to. Suites need shared mappings, so a kernel without them
// (before Linux 6.6) stays cached.
func (s *server) chooseCache(opts config.Options) {
	wanted := opts.Cache == config.CacheDirect || s.store.Usage().Encrypted && opts.Cache != config.CacheCached
	if wanted && s.conn.DirectMmap() {
		s.fs.BypassPageCache()
	}
}

// parseWords reads the words of one -o list.
func parseWords(words string) (config.Options, *policy.Policy, error) {
	b := config.New(config.HostSystem())
	if err := b.ParseList(words); err != nil {
		return config.Options{}, nil, err
	}
	opts, err := b.Finish()
	if err != nil {
		return config.Options{}, nil, err
	}
	p, err := opts.Policy()
	return opts, p, err
}

// answer serves the test: it checks when asked, over standard input.
func (s *server) answer() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := s.check(); err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		fmt.Println("consistent")
	}
}

// check holds the tree against the store and the store against itself. The
// kernel tells late of the references it drops, and what it tells in the middle
// of a check looks like an inconsistency: a real one is there again and again.
func (s *server) check() (err error) {
	for range 50 {
		if err = errors.Join(s.fs.Check(), s.store.Check()); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// end gives everything back and checks that nothing is counted any more.
func (s *server) end() error {
	s.fs.Close()
	defer s.store.Close()
	var u memstore.Usage
	for range 500 {
		if u = s.store.Usage(); u.Used == 0 && u.Inodes == 0 {
			return s.store.Check()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("at the end %d bytes and %d inodes are still counted", u.Used, u.Inodes)
}
