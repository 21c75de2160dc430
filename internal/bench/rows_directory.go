package bench

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// directoryRows are about one large directory.
func directoryRows(s Scale) []Row {
	entries := func(what string) Figure {
		return Figure{Name: fmt.Sprintf("dir-%d-%s", s.Entries, what), Unit: "entries/s"}
	}
	return []Row{{
		Figures: []Figure{entries("create"), entries("list"), entries("list-stat"), entries("remove")},
		Once:    true,
		Only:    []string{"tmpfs", "safetmp", "safetmp-uring", "base", "head"},
		whole:   largeDirectory,
	}}
}

// largeDirectory creates, lists, stats and removes scale.Entries empty files.
func largeDirectory(w *work) ([]float64, error) {
	dir := w.dir + "/large"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	name := numbered(dir + "/entry")
	all := func(do func(cpath) error) func() error {
		return func() error {
			for i := range w.scale.Entries {
				name.setNumber(i)
				if err := do(name); err != nil {
					return err
				}
			}
			return nil
		}
	}
	var figures []float64
	for _, phase := range []func() error{
		all(createEmpty),
		func() error { return listAll(dir, w.scale.Entries, false) },
		func() error { return listAll(dir, w.scale.Entries, true) },
		all(unlink),
	} {
		start := time.Now()
		if err := phase(); err != nil {
			return nil, err
		}
		figures = append(figures, float64(w.scale.Entries)/time.Since(start).Seconds())
	}
	return figures, os.Remove(dir)
}

// listAll lists a directory of want entries, and asks for the attributes of
// each as ls -l does.
func listAll(dir string, want int, withStat bool) error {
	fd, err := open(makePath(dir), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = closeFD(fd) }()
	buf := make([]byte, 32<<10)
	path := append([]byte(dir), '/')
	seen := 0
	for {
		n, err := getdents(fd, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		err = eachName(buf[:n], func(name cpath) error {
			seen++
			if !withStat {
				return nil
			}
			var st unix.Statx_t
			return stat(cpath(append(path[:len(dir)+1], name...)), &st)
		})
		if err != nil {
			return err
		}
	}
	if seen != want+2 {
		return fmt.Errorf("%d entries listed of %d", seen-2, want)
	}
	return nil
}
