package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Runner measures modes.
type Runner struct {
	Host   Host
	Modes  []Mode
	Rows   *regexp.Regexp // which rows, by name; nil means all
	Scale  Scale
	Rounds int
	Worker []string  // a command that calls Worker
	Log    io.Writer // what is going on

	base  string // folder of this run, a tmpfs
	tar   string
	sites []*site
	found map[[2]string]*Series // by figure and mode
}

// site is a mode that is mounted.
type site struct {
	mode Mode
	*mounted
}

// Run mounts every mode, measures every row, and unmounts. What failed is in
// the result; the error is about the run itself.
func (r *Runner) Run() (result *Result, err error) {
	r.found = map[[2]string]*Series{}
	result = &Result{Time: time.Now().UTC(), Machine: machine(), Rounds: r.Rounds, Skipped: map[string]string{}}
	if r.base, err = os.MkdirTemp("", "safetmp-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	if err := unix.Mount("tmpfs", r.base, "tmpfs", 0, "mode=755"); err != nil {
		return nil, fmt.Errorf("mount tmpfs, which needs root: %w", err)
	}
	r.tar = filepath.Join(r.base, "tree.tar")
	if err := writeArchive(r.tar, r.Scale.Files); err != nil {
		return nil, err
	}
	r.mountAll(result)
	for _, row := range r.selected() {
		r.measure(row)
	}
	for _, row := range r.selected() {
		r.collect(row, result)
	}
	if r.Rows == nil {
		result.Series = append(result.Series, r.startAndStop()...)
	}
	return result, nil
}

// selected lists the rows to measure.
func (r *Runner) selected() []Row {
	return slices.DeleteFunc(rows(r.Scale), func(row Row) bool { return r.Rows != nil && !r.Rows.MatchString(row.Name()) })
}

// mountAll mounts the modes that exist here.
func (r *Runner) mountAll(result *Result) {
	for _, mode := range r.Modes {
		m, err := r.mount(mode, mode.Name)
		if err != nil {
			result.Skipped[mode.Name] = err.Error()
			r.logf("%s: skipped: %v", mode.Name, err)
			continue
		}
		result.Modes = append(result.Modes, mode.Name)
		r.sites = append(r.sites, &site{mode: mode, mounted: m})
	}
}

// cellApart measures a row in a mode on a mount of its own, whose daemon has
// done nothing before that would count.
func (r *Runner) cellApart(row Row, mode Mode) {
	m, err := r.mount(mode, mode.Name+".apart")
	if err != nil {
		r.logf("%s in %s: %v", row.Name(), mode.Name, err)
		return
	}
	r.cell(row, &site{mode: mode, mounted: m})
	if err := m.stop(); err != nil {
		r.logf("%s in %s: %v", row.Name(), mode.Name, err)
	}
}

// mount mounts a mode in a folder of this name.
func (r *Runner) mount(mode Mode, folder string) (*mounted, error) {
	dir, scratch := filepath.Join(r.base, folder), filepath.Join(r.base, folder+".scratch")
	for _, d := range []string{dir, scratch} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	m, err := mode.start(&r.Host, dir, scratch)
	if err != nil {
		return nil, err
	}
	return m, os.MkdirAll(filepath.Join(dir, "work"), 0o700)
}

// measure runs a row over the modes, forwards in one round, backwards in the
// next.
func (r *Runner) measure(row Row) {
	start := time.Now()
	rounds := r.Rounds
	if row.Once {
		rounds = 1
	}
	order := slices.Clone(r.sites)
	for range rounds {
		for _, s := range order {
			if !row.Once {
				r.cell(row, s)
			} else if row.takes(s.mode) {
				r.cellApart(row, s.mode)
			}
		}
		slices.Reverse(order)
	}
	r.logf("%-40s %6.1f s", row.Name(), time.Since(start).Seconds())
}

// cellTime bounds one cell; those of rows that run once may take longer.
const cellTime, onceTime = 30 * time.Second, 10 * time.Minute

// cell measures a row in a mode once. A mode that failed in it is not tried
// again.
func (r *Runner) cell(row Row, s *site) {
	if first := r.found[[2]string{row.Name(), s.mode.Name}]; first != nil && first.Error != "" {
		return
	}
	most := cellTime
	if row.Once {
		most = onceTime
	}
	values, err := ask(r.Worker, cell{
		Row: row.Name(), Scale: r.Scale, Dir: filepath.Join(s.dir, "work"), Root: s.dir, PID: s.pid(), Tar: r.tar,
	}, most)
	for i, figure := range row.Figures {
		key := [2]string{figure.Name, s.mode.Name}
		series := r.found[key]
		if series == nil {
			series = &Series{Figure: figure, Mode: s.mode.Name}
			r.found[key] = series
		}
		if err != nil {
			series.Error = err.Error()
			continue
		}
		series.Values = append(series.Values, values[i])
	}
	if err != nil {
		r.logf("%s in %s: %v", row.Name(), s.mode.Name, err)
	}
}

// collect puts what was found of a row into the result.
func (r *Runner) collect(row Row, result *Result) {
	for _, figure := range row.Figures {
		for _, s := range r.sites {
			if series := r.found[[2]string{figure.Name, s.mode.Name}]; series != nil {
				result.Series = append(result.Series, *series)
			}
		}
	}
}

// end unmounts everything and removes the folder of the run.
func (r *Runner) end() error {
	var problems []error
	for _, s := range r.sites {
		problems = append(problems, s.stop())
	}
	if err := unix.Unmount(r.base, 0); err != nil {
		problems = append(problems, fmt.Errorf("unmount %s: %w", r.base, err))
	}
	return errors.Join(append(problems, os.Remove(r.base))...)
}

func (r *Runner) logf(format string, args ...any) { fmt.Fprintf(r.Log, format+"\n", args...) }
