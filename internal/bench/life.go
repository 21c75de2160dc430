package bench

import (
	"os/exec"
	"path/filepath"
	"time"
)

// Names of the rows about starting and stopping.
const (
	rowMount = "mount-umount"
	rowRun   = "run-true"
)

// startAndStop measures how long it takes to mount and unmount our modes, and
// to run true(1) in a private /tmp, with safetmp and with bubblewrap.
func (r *Runner) startAndStop() []Series {
	var all []Series
	for _, s := range r.sites {
		if s.mode.Peer {
			continue // most of their time is the derivation of a key
		}
		all = append(all, r.repeat(Series{Figure: Figure{rowMount, "s", true}, Mode: s.mode.Name}, func() (float64, error) {
			return r.comeAndGo(s.mode)
		}))
	}
	all = append(all, r.repeat(Series{Figure: Figure{rowRun, "s", true}, Mode: "safetmp"}, func() (float64, error) {
		return timed(r.Host.Safetmp, "run", "--", "true")
	}))
	if bwrap, err := exec.LookPath("bwrap"); err == nil {
		all = append(all, r.repeat(Series{Figure: Figure{rowRun, "s", true}, Mode: "bwrap"}, func() (float64, error) {
			return timed(bwrap, "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--tmpfs", "/tmp", "true")
		}))
	}
	return all
}

// repeat fills a series with three values for each round but the first, which
// has one, after one that does not count.
func (r *Runner) repeat(s Series, once func() (float64, error)) Series {
	for i := range 3*r.Rounds - 1 {
		value, err := once()
		if err != nil {
			s.Error = err.Error()
			break
		}
		if i > 0 {
			s.Values = append(s.Values, value)
		}
	}
	r.logf("%-40s %s %s", s.Figure.Name, s.Mode, s.Error)
	return s
}

// comeAndGo mounts a mode anew and unmounts it.
func (r *Runner) comeAndGo(mode Mode) (float64, error) {
	again := mode
	again.Name += ".again"
	dir, scratch := filepath.Join(r.base, again.Name), filepath.Join(r.base, again.Name+".scratch")
	if err := emptyFolders(dir, scratch); err != nil {
		return 0, err
	}
	start := time.Now()
	m, err := mode.start(&r.Host, dir, scratch)
	if err != nil {
		return 0, err
	}
	err = m.stop()
	return time.Since(start).Seconds(), err
}
