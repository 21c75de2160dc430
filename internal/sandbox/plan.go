package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// DefaultCovers are the directories that programs use whatever TMPDIR says.
var DefaultCovers = []string{"/tmp", "/var/tmp"}

// Wish is what the caller wants to see covered, before it is known whether that is possible.
type Wish struct {
	Covers  []string // nil: DefaultCovers, as far as they exist
	Sockets []string // host sockets, or folders of them, to let through
	Strict  bool     // leave nothing uncovered
	Dir     string   // the working directory, absolute
	Program string   // the command's file, as LookPath found it
}

// Plan is what will be covered.
type Plan struct {
	Covers  []string // absolute, free of symbolic links, none twice
	Sockets []string // absolute, below one of Covers
	Warning string   // one line; empty if there is nothing to warn of
}

// UsageError is a wish that cannot be met and that the caller can mend by writing something else.
type UsageError struct {
	Flag    string
	Value   string
	Problem string
}

// Error returns one line.
func (e *UsageError) Error() string { return fmt.Sprintf("%s %s: %s", e.Flag, e.Value, e.Problem) }

// MakePlan decides what is covered. A directory that holds the working directory or the command is left as it is,
// since the command would not find them any more: Plan.Warning tells, and a strict wish is refused.
//
// Errors: *UsageError; *Error where a strict wish cannot be met.
func MakePlan(w Wish) (Plan, error) {
	covers, err := w.resolveCovers()
	if err != nil {
		return Plan{}, err
	}
	var p Plan
	var uncovered []string
	for _, c := range covers {
		if why := w.needs(c); why != "" {
			uncovered = append(uncovered, fmt.Sprintf("%s (%s is in it)", c, why))
			continue
		}
		p.Covers = append(p.Covers, c)
	}
	if len(uncovered) > 0 {
		p.Warning = "left uncovered: " + strings.Join(uncovered, ", ")
	}
	if len(uncovered) > 0 && w.Strict {
		return Plan{}, &Error{Status: StatusFailed, Message: "profile strict leaves nothing uncovered, but cannot cover " + strings.Join(uncovered, ", "),
			Advice: "work and keep the command elsewhere, or choose the directories with --cover"}
	}
	p.Sockets, err = w.resolveSockets(p.Covers)
	return p, err
}

// resolveCovers makes the list absolute and free of links and of repetitions: on some systems /var/tmp is a link to
// /tmp.
func (w Wish) resolveCovers() ([]string, error) {
	asked := w.Covers
	if asked == nil {
		asked = DefaultCovers
	}
	var out []string
	seen := map[string]bool{}
	for _, c := range asked {
		dir, err := resolveCover(c)
		if err != nil && w.Covers == nil && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &UsageError{Flag: "--cover", Value: c, Problem: err.Error()}
		}
		if !seen[dir] {
			out = append(out, dir)
		}
		seen[dir] = true
	}
	return out, nil
}

func resolveCover(dir string) (string, error) {
	if !filepath.IsAbs(dir) {
		return "", errors.New("not an absolute path")
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", reason(err)
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", reason(err)
	case !info.IsDir():
		return "", errors.New("not a directory")
	case real == "/" || within("/proc", real):
		return "", errors.New("cannot be covered")
	}
	return real, nil
}

// reason strips the operation and the path, which the message has already.
func reason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// needs says what of the command's lies in dir: "" if nothing does.
func (w Wish) needs(dir string) string {
	if real, err := filepath.EvalSymlinks(w.Dir); within(dir, w.Dir) || (err == nil && within(dir, real)) {
		return "the working directory"
	}
	program := w.Program
	if !filepath.IsAbs(program) {
		program = filepath.Join(w.Dir, program)
	}
	if within(dir, filepath.Clean(program)) {
		return "the command"
	}
	if real, err := filepath.EvalSymlinks(program); err == nil && within(dir, real) {
		return "the command"
	}
	return ""
}

// resolveSockets checks what is to be let through, and drops what no cover hides.
func (w Wish) resolveSockets(covers []string) ([]string, error) {
	var out []string
	for _, s := range w.Sockets {
		path, err := resolveSocket(s)
		if err != nil {
			return nil, &UsageError{Flag: "--bind-socket", Value: s, Problem: err.Error()}
		}
		for _, c := range covers {
			if path == c {
				return nil, &UsageError{Flag: "--bind-socket", Value: s, Problem: "is a covered directory itself; choose with --cover"}
			}
			if within(c, path) {
				out = append(out, path)
				break
			}
		}
	}
	return out, nil
}

// resolveSocket resolves the links on the way to a socket, but keeps its own name: that is what the command will use.
func resolveSocket(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", errors.New("not an absolute path")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", reason(err)
	}
	if !info.IsDir() && info.Mode()&os.ModeSocket == 0 {
		return "", errors.New("neither a socket nor a directory")
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", reason(err)
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// within reports whether path is dir or lies below it. Both are absolute and clean.
func within(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
