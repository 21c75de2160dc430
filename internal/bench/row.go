package bench

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Figure is one number that a row yields.
type Figure struct {
	Name  string
	Unit  string // ops/s, entries/s, MB/s, s or bytes
	Lower bool   // lower is better
}

// Row is one thing to measure. Either step or whole is set.
type Row struct {
	// Figures are what the row yields, in order.
	Figures []Figure

	// Threads make steps at the same time, each in a folder of its own.
	Threads int

	// Once rows take long: they run in one round, over the modes that are
	// not peers, or over Only those named.
	Once bool
	Only []string

	prepare func(t *thread) error                   // untimed, by each thread
	step    func(t *thread, i int) (float64, error) // one operation; how much it counts
	tidy    func(t *thread) error                   // untimed, by each thread
	whole   func(w *work) ([]float64, error)        // measures by itself
}

// takes says whether a row that runs once runs in a mode.
func (r Row) takes(m Mode) bool {
	if r.Only != nil {
		return slices.Contains(r.Only, m.Name)
	}
	return !m.Peer
}

// Name is that of the first figure.
func (r Row) Name() string { return r.Figures[0].Name }

// Scale is how much work a cell does.
type Scale struct {
	Cell    time.Duration // of a row made of steps
	File    int64         // bytes of the files that are read and written
	Entries int           // of the large directory
	Files   int           // of the archive
	Growth  int           // files up to which the cost of an operation is followed
	Big     int64         // bytes up to which the cost of writing is followed
}

// work is one cell under measurement.
type work struct {
	scale Scale
	dir   string // a folder of the mode, below the root of its mount
	root  string // the mount
	pid   int    // of the daemon, 0 if there is none
	tar   string // the archive
}

// thread is one of the threads of a cell.
type thread struct {
	*work
	number int
	home   string // its folder
	fd     int
	buf    []byte
	paths  [2]cpath
	random uint64
}

// rows is the table of everything measured, in the order of the report.
func rows(s Scale) []Row {
	var all []Row
	all = append(all, metadataRows()...)
	all = append(all, archiveRows()...)
	all = append(all, dataRows()...)
	all = append(all, directoryRows(s)...)
	all = append(all, growthRows(s)...)
	return all
}

// measure runs a row and returns its figures.
func (r Row) measure(w *work) ([]float64, error) {
	if r.whole != nil {
		return r.whole(w)
	}
	threads := make([]*thread, max(r.Threads, 1))
	for i := range threads {
		threads[i] = &thread{work: w, number: i, home: fmt.Sprintf("%s/t%d", w.dir, i), fd: -1}
	}
	rate, err := r.steps(threads)
	return []float64{rate}, err
}

// steps runs all threads until the time is up and returns how much they did per
// second.
func (r Row) steps(threads []*thread) (float64, error) {
	var stop atomic.Bool
	counts, errs := make([]float64, len(threads)), make([]error, len(threads))
	var ready, over sync.WaitGroup
	start := make(chan struct{})
	ready.Add(len(threads))
	for i, t := range threads {
		over.Go(func() {
			lockThread()
			errs[i] = t.begin(r)
			ready.Done()
			<-start
			for n := 0; errs[i] == nil && !stop.Load(); n++ {
				var done float64
				done, errs[i] = r.step(t, n)
				counts[i] += done
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	time.Sleep(threads[0].scale.Cell)
	stop.Store(true)
	over.Wait()
	took := time.Since(began)
	total := 0.0
	for i, t := range threads {
		total += counts[i]
		if err := t.end(r); errs[i] == nil {
			errs[i] = err
		}
		if errs[i] != nil {
			return 0, errs[i]
		}
	}
	return total / took.Seconds(), nil
}
