package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// cell is what the runner asks a worker for.
type cell struct {
	Row   string // its name
	Scale Scale
	Dir   string
	Root  string
	PID   int
	Tar   string
}

// answer is what the worker found.
type answer struct {
	Figures []float64
	Error   string
}

// Worker measures the one cell that in describes, and writes the answer to
// out. It is to be called at once by a program that Runner.Worker names.
func Worker(in io.Reader, out io.Writer) error {
	var c cell
	if err := json.NewDecoder(in).Decode(&c); err != nil {
		return fmt.Errorf("reading the cell: %w", err)
	}
	row, err := rowNamed(c.Row, c.Scale)
	if err != nil {
		return err
	}
	// A thread in a raw system call keeps its processor of the scheduler;
	// these are for the main goroutine and the runtime.
	const spare = 3
	runtime.GOMAXPROCS(max(row.Threads, 1) + spare)
	debug.SetGCPercent(-1)
	var a answer
	a.Figures, err = row.measure(&work{scale: c.Scale, dir: c.Dir, root: c.Root, pid: c.PID, tar: c.Tar})
	if err != nil {
		a.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(a)
}

func rowNamed(name string, s Scale) (Row, error) {
	for _, r := range rows(s) {
		if r.Name() == name {
			return r, nil
		}
	}
	return Row{}, fmt.Errorf("there is no row %q", name)
}

// ask runs a worker for one cell.
func ask(command []string, c cell, most time.Duration) ([]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	input, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(plainEnviron(), "GODEBUG=asyncpreemptoff=1")
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(input)), os.Stderr
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no answer after %v", most)
	}
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Figures, nil
}
