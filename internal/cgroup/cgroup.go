package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultRoot is where the hierarchies are mounted, cgroups(7).
const DefaultRoot = "/sys/fs/cgroup"

var (
	// ErrNone means that memory cannot be limited here.
	ErrNone = errors.New("no memory cgroup can be made")
	// ErrName means that no group has such a name.
	ErrName = errors.New("not an absolute path below /")
)

// processesFile lists the processes of a group, and takes those that are to move there.
const processesFile = "cgroup.procs"

// prefix keeps the names of groups apart from the control files beside them.
const prefix = "vol-"

const (
	// killBound is how long processes that were killed may take to leave their group.
	killBound = 5 * time.Second
	// endBound is how long processes that have been asked to end may take before they are killed.
	endBound = 3 * time.Second
	pause    = 5 * time.Millisecond
)

// Parent is the group below which groups are made. Immutable.
type Parent struct {
	root    string
	dir     string
	unified bool
	others  []string // roots of the other hierarchies, of version 1
}

// Open finds the hierarchy below root (DefaultRoot, unless it is mounted elsewhere) and makes the parent group, named by
// an absolute path in the hierarchy, such as "/safetmp-volume".
//
// Errors: ErrNone, ErrName.
func Open(root, parent string) (*Parent, error) {
	if !filepath.IsAbs(parent) || filepath.Clean(parent) != parent || parent == "/" {
		return nil, fmt.Errorf("%.256q: %w", parent, ErrName)
	}
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	unified := err == nil
	p := &Parent{root: root, dir: filepath.Join(root, "memory", parent), unified: unified}
	if unified {
		p.dir = filepath.Join(root, parent)
		if !hasWord(string(controllers), "memory") {
			return nil, fmt.Errorf("%w: %s has no memory controller", ErrNone, root)
		}
	} else if _, err := os.Stat(filepath.Join(root, "memory", processesFile)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	if err := p.make(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	if !unified {
		p.others = otherRoots(root)
	}
	return p, nil
}

// otherRoots lists the roots of the hierarchies beside that of memory. Names that lead to the same one are links.
func otherRoots(root string) (others []string) {
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if _, err := os.Stat(filepath.Join(dir, processesFile)); err == nil && e.IsDir() && e.Name() != "memory" {
			others = append(others, dir)
		}
	}
	return others
}

func hasWord(list, word string) bool {
	for _, w := range strings.Fields(list) {
		if w == word {
			return true
		}
	}
	return false
}

// make makes the parent and, in the unified hierarchy, hands the memory controller down to its children.
func (p *Parent) make() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if !p.unified {
		return nil
	}
	for dir := p.dir; ; dir = filepath.Dir(dir) {
		defer enable(dir) // from the top down: deferred calls run last in, first out
		if dir == p.root || dir == "/" {
			return nil
		}
	}
}

// enable switches the memory controller on for the children of a group. Where that fails the limit of a child cannot be
// written either, which Make reports.
func enable(dir string) { _ = write(dir, "cgroup.subtree_control", "+memory") }

// group is the directory of a group.
func (p *Parent) group(name string) string { return filepath.Join(p.dir, prefix+filepath.Base(name)) }

// Make makes the group of that name with a limit in bytes, or sets the limit of the one that is there. A parent that
// somebody has removed meanwhile, since it was empty, is made again.
func (p *Parent) Make(name string, limit int64) error {
	dir := p.group(name)
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrNotExist) {
		if err = p.make(); err == nil {
			err = os.Mkdir(dir, 0o755)
		}
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	value := strconv.FormatInt(limit, 10)
	if p.unified {
		// A kernel without swap accounting has no such file.
		if err := write(dir, "memory.swap.max", "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return write(dir, "memory.max", value)
	}
	if err := write(dir, "memory.limit_in_bytes", value); err != nil {
		return err
	}
	if err := write(dir, "memory.memsw.limit_in_bytes", value); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Add moves a process into a group that Make has made. Memory that it has already stays charged where it was. In the
// other hierarchies of version 1, as far as they may be changed, it goes to the root: whoever ends a container there ends
// every process in the container's groups, and that of the container which has started this one would be among them.
func (p *Parent) Add(name string, pid int) error {
	move := func() error { return write(p.group(name), processesFile, strconv.Itoa(pid)) }
	err := move()
	if p.unified && errors.Is(err, unix.ENOENT) {
		err = inFirstNamespace(move)
	}
	if err != nil {
		return err
	}
	for _, root := range p.others {
		_ = write(root, processesFile, strconv.Itoa(pid))
	}
	return nil
}

// inFirstNamespace calls f in the cgroup namespace of process 1. Where the hierarchy is mounted with nsdelegate, as
// systemd does, a process in a cgroup namespace of its own, as every container has, moves nothing out of it: ENOENT.
// The hierarchy that it sees by a bind mount is the machine's all the same, and so is process 1 in the machine's pid
// namespace.
func inFirstNamespace(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		namespace, err := unix.Open("/proc/1/ns/cgroup", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(namespace, unix.CLONE_NEWCGROUP)
			_ = unix.Close(namespace)
		}
		if err != nil {
			done <- fmt.Errorf("entering the cgroup namespace of process 1: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Remove removes a group, if it is there. Processes in it have a little time to end by themselves and are then killed.
func (p *Parent) Remove(name string) error {
	dir := p.group(name)
	if p.removeWithin(dir, endBound) == nil {
		return nil
	}
	p.kill(dir)
	return p.removeWithin(dir, killBound)
}

// kill kills what is in a group. The unified hierarchy does so by itself since Linux 5.14, whatever the caller sees of
// the processes.
func (p *Parent) kill(dir string) {
	if write(dir, "cgroup.kill", "1") == nil {
		return
	}
	for _, pid := range p.processes(dir) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// removeWithin tries to remove an empty group for a while.
func (p *Parent) removeWithin(dir string, bound time.Duration) error {
	for deadline := time.Now().Add(bound); ; time.Sleep(pause) {
		err := unix.Rmdir(dir)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY) || time.Now().After(deadline):
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
}

// processes lists the processes of a group, as far as the caller's pid namespace shows them: the others are 0.
func (p *Parent) processes(dir string) []int {
	text, _ := os.ReadFile(filepath.Join(dir, processesFile))
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Names lists the groups there are.
func (p *Parent) Names() []string {
	entries, _ := os.ReadDir(p.dir)
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), prefix); ok && e.IsDir() {
			names = append(names, name)
		}
	}
	return names
}

// Close removes the parent itself if no group is left in it.
func (p *Parent) Close() { _ = unix.Rmdir(p.dir) }

// Prune removes the groups in which no process is left.
func (p *Parent) Prune() {
	for _, name := range p.Names() {
		_ = unix.Rmdir(p.group(name))
	}
}

// write writes a control file, which must be there.
func write(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
