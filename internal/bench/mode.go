package bench

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Mode is one filesystem to measure.
type Mode struct {
	Name string
	Peer bool // not ours: left out of the rows that take long

	// start mounts it on dir; scratch is an empty folder in RAM. An
	// errUnsupported says why it cannot be measured here.
	start func(h *Host, dir, scratch string) (*mounted, error)
}

// Host is what the modes need of the machine.
type Host struct {
	Safetmp string // the binary under test, built as it is released
	Base    string // another one to compare with, or empty
	Memfs   string // go-fuse's example/memfs, or empty
	MemfsLL string // libfuse's memfs_ll, or empty
}

// errUnsupported says that a mode does not exist here.
var errUnsupported = errors.New("not here")

// Modes is the table of what is measured, in the order of the report; the
// first one is what the others are held against.
func Modes() []Mode {
	return []Mode{
		{Name: "tmpfs", start: startTmpfs},
		{Name: "safetmp", start: safetmp("--transport", "dev", "--encrypt", "off")},
		{Name: "safetmp-uring", start: withRings(safetmp("--transport", "uring", "--encrypt", "off"))},
		{Name: "safetmp-passthrough", start: safetmp("--io", "passthrough", "--encrypt", "off")},
		{Name: "safetmp-encrypted", start: safetmp("--transport", "dev", "--encrypt", "on")},
		{Name: "safetmp-encrypted-uring", start: withRings(safetmp("--transport", "uring", "--encrypt", "on"))},
		{Name: "safetmp-checked", start: safetmp("--transport", "dev", "--encrypt", "off", "--default-permissions")},
		{Name: "safetmp-shared", start: safetmp("--transport", "dev", "--encrypt", "off", "--shared")},
		{Name: "gocryptfs", Peer: true, start: peer("gocryptfs", []string{"-init", "-q", "-scryptn", "10", "-extpass", "echo bench", "SCRATCH"},
			"-fg", "-q", "-extpass", "echo bench", "SCRATCH", "DIR")},
		{Name: "encfs", Peer: true, start: peer("encfs", nil, "-f", "--standard", "--extpass=echo bench", "SCRATCH", "DIR")},
		{Name: "securefs", Peer: true, start: peer("securefs", []string{"create", "--pass", "bench", "--pbkdf", "pkcs5-pbkdf2-hmac-sha256", "-r", "1", "SCRATCH"},
			"mount", "--pass", "bench", "SCRATCH", "DIR")},
		{Name: "go-fuse-memfs", Peer: true, start: startMemfs},
		{Name: "memfs_ll", Peer: true, start: memfsLL("-o", "no_timeout")},
		{Name: "memfs_ll-uring", Peer: true, start: withRings(memfsLL("-o", "no_timeout", "-o", "io_uring"))},
	}
}

// CompareModes are two builds of safetmp: Host.Base and Host.Safetmp.
func CompareModes() []Mode {
	return []Mode{
		{Name: "tmpfs", start: startTmpfs},
		{Name: "base", start: func(h *Host, dir, scratch string) (*mounted, error) {
			older := *h
			older.Safetmp = h.Base
			return safetmp()(&older, dir, scratch)
		}},
		{Name: "head", start: safetmp()},
	}
}

// mountSize is the limit of every mount: more than any row stores.
const mountSize = "11g"

func startTmpfs(_ *Host, dir, _ string) (*mounted, error) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700,nr_inodes=0,size="+mountSize); err != nil {
		return nil, fmt.Errorf("mount tmpfs: %w", err)
	}
	return &mounted{dir: dir}, nil
}

// safetmp mounts with these flags.
func safetmp(flags ...string) func(*Host, string, string) (*mounted, error) {
	return func(h *Host, dir, _ string) (*mounted, error) {
		args := append([]string{"mount", "-f", "--size", mountSize, "--nr-inodes", "20m"}, flags...)
		return serve(dir, h.Safetmp, append(args, dir)...)
	}
}

// peer mounts a program of Debian's over a folder in RAM.
func peer(program string, prepare []string, args ...string) func(*Host, string, string) (*mounted, error) {
	return func(_ *Host, dir, scratch string) (*mounted, error) {
		path, err := exec.LookPath(program)
		if err != nil {
			return nil, fmt.Errorf("%w: %s is not installed", errUnsupported, program)
		}
		fill := func(words []string) []string {
			filled := make([]string, len(words))
			for i, word := range words {
				filled[i] = map[string]string{"SCRATCH": scratch, "DIR": dir}[word]
				if filled[i] == "" {
					filled[i] = word
				}
			}
			return filled
		}
		if prepare != nil {
			if out, err := exec.Command(path, fill(prepare)...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%s: %w: %.300s", program, err, out)
			}
		}
		return serve(dir, path, fill(args)...)
	}
}

func startMemfs(h *Host, dir, scratch string) (*mounted, error) {
	if h.Memfs == "" {
		return nil, fmt.Errorf("%w: go-fuse's example/memfs was not built", errUnsupported)
	}
	return serve(dir, h.Memfs, dir, filepath.Join(scratch, "file"))
}

func memfsLL(flags ...string) func(*Host, string, string) (*mounted, error) {
	return func(h *Host, dir, _ string) (*mounted, error) {
		if h.MemfsLL == "" {
			return nil, fmt.Errorf("%w: no path to libfuse's memfs_ll (MEMFS_LL=)", errUnsupported)
		}
		return serve(dir, h.MemfsLL, append([]string{"-f"}, append(flags, dir)...)...)
	}
}

// enableRings is the parameter that lets mounts use FUSE over io_uring; it is
// read when a mount is made.
const enableRings = "/sys/module/fuse/parameters/enable_uring"

// withRings switches rings on for as long as start takes.
func withRings(start func(*Host, string, string) (*mounted, error)) func(*Host, string, string) (*mounted, error) {
	return func(h *Host, dir, scratch string) (m *mounted, err error) {
		rings, err := TurnOn(enableRings)
		if err != nil {
			return nil, fmt.Errorf("%w: FUSE over io_uring: %w", errUnsupported, err)
		}
		defer func() { err = errors.Join(err, rings.Off()) }()
		return start(h, dir, scratch)
	}
}
