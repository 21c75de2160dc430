// Command bench measures safetmp beside tmpfs and other filesystems; `make
// bench` calls it. It is not part of what is installed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"safetmp/internal/bench"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// workerWord as first argument makes this program measure one cell.
const workerWord = "worker"

// scales are the amounts of work that can be asked for by name.
var scales = map[string]struct {
	bench.Scale
	rounds int
}{
	"smoke": {bench.Scale{Cell: 2 * time.Millisecond, File: 1 << 20, Entries: 200, Files: 30, Growth: 1000, Big: 1 << 20}, 1},
	"quick": {bench.Scale{Cell: 100 * time.Millisecond, File: 32 << 20, Entries: 10_000, Files: 1719, Growth: 10_000, Big: 1 << 30}, 3},
	"full":  {bench.Scale{Cell: 100 * time.Millisecond, File: 128 << 20, Entries: 100_000, Files: 1719, Growth: 1_000_000, Big: 1 << 30}, 5},
	"huge":  {bench.Scale{Cell: 100 * time.Millisecond, File: 128 << 20, Entries: 100_000, Files: 1719, Growth: 10_000_000, Big: 10 << 30}, 5},
}

// options are the flags of this program.
type options struct {
	scale       string
	modes, rows string
	rounds      int
	out, doc    string
	commit      string
	benchstat   string
	host        bench.Host
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == workerWord {
		return exitCode(bench.Worker(stdin, stdout), stderr)
	}
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.scale, "scale", "quick", "how much: smoke, quick, full or huge (10 million files, 10 GiB)")
	f.StringVar(&o.modes, "modes", "", "only modes that match this expression; tmpfs always runs")
	f.StringVar(&o.rows, "rows", "", "only rows that match this expression")
	f.IntVar(&o.rounds, "rounds", 0, "how often each row is measured (default as the scale says)")
	f.StringVar(&o.out, "out", "", "folder for performance.json and performance.svg")
	f.StringVar(&o.doc, "doc", "", "document to write the tables into")
	f.StringVar(&o.commit, "commit", "unknown", "what is measured, for the document")
	f.StringVar(&o.benchstat, "benchstat", "", "folder for base.txt and head.txt, with -base")
	f.StringVar(&o.host.Safetmp, "safetmp", "bin/safetmp", "the binary to measure")
	f.StringVar(&o.host.Base, "base", "", "another build of safetmp: measure these two")
	f.StringVar(&o.host.Memfs, "memfs", "", "go-fuse's example/memfs")
	f.StringVar(&o.host.MemfsLL, "memfs-ll", "", "libfuse's example memfs_ll")
	if err := f.Parse(args); err != nil {
		return 2
	}
	return exitCode(o.run(stdout, stderr), stderr)
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "bench:", err)
	return 1
}

func (o *options) run(stdout, stderr io.Writer) error {
	runner, err := o.runner(stderr)
	if err != nil {
		return err
	}
	result, err := runner.Run()
	if result == nil {
		return err
	}
	result.Commit, result.Form = o.commit, o.scale
	return errors.Join(err, result.WriteText(stdout), o.write(result))
}

// runner prepares what the flags ask for.
func (o *options) runner(log io.Writer) (*bench.Runner, error) {
	scale, ok := scales[o.scale]
	if !ok {
		return nil, fmt.Errorf("there is no scale %q", o.scale)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if o.host.Safetmp, err = exec.LookPath(o.host.Safetmp); err != nil {
		return nil, err
	}
	r := &bench.Runner{Host: o.host, Modes: bench.Modes(), Scale: scale.Scale, Rounds: scale.rounds, Worker: []string{self, workerWord}, Log: log}
	if o.host.Base != "" {
		r.Modes = bench.CompareModes()
	}
	if o.rounds > 0 {
		r.Rounds = o.rounds
	}
	if o.rows != "" {
		if r.Rows, err = regexp.Compile(o.rows); err != nil {
			return nil, err
		}
	}
	only, err := regexp.Compile(o.modes)
	if err != nil {
		return nil, err
	}
	chosen := r.Modes[:1]
	for _, m := range r.Modes[1:] {
		if only.MatchString(m.Name) {
			chosen = append(chosen, m)
		}
	}
	r.Modes = chosen
	return r, nil
}

// write stores the result where the flags say.
func (o *options) write(result *bench.Result) error {
	var problems []error
	if o.out != "" {
		problems = append(problems,
			toFile(filepath.Join(o.out, "performance.json"), result.WriteJSON),
			toFile(filepath.Join(o.out, "performance.svg"), result.WriteSVG))
	}
	if o.benchstat != "" {
		for _, mode := range []string{"base", "head"} {
			problems = append(problems, toFile(filepath.Join(o.benchstat, mode+".txt"), func(w io.Writer) error {
				return result.WriteBenchmarks(w, mode)
			}))
		}
	}
	if o.doc != "" {
		problems = append(problems, intoDocument(o.doc, result))
	}
	return errors.Join(problems...)
}

func toFile(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// intoDocument replaces the generated part of a document.
func intoDocument(path string, result *bench.Result) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var part bytes.Buffer
	if err := result.WriteMarkdown(&part); err != nil {
		return err
	}
	document, err := bench.Splice(old, part.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, document, 0o644)
}
