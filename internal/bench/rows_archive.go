package bench

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// archiveRows unpack many small files with tar(1) and remove them with rm(1),
// as an ordinary user does.
func archiveRows() []Row {
	return []Row{{
		Figures: []Figure{{Name: "untar", Unit: "s", Lower: true}, {Name: "rm-rf", Unit: "s", Lower: true}},
		whole:   unpackAndRemove,
	}}
}

func unpackAndRemove(w *work) ([]float64, error) {
	dir := w.dir + "/tree"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	unpack, err := timed("tar", "-xf", w.tar, "-C", dir, "--no-same-owner", "--no-same-permissions")
	if err != nil {
		return nil, err
	}
	remove, err := timed("rm", "-rf", dir)
	return []float64{unpack, remove}, err
}

// timed runs a command and returns how many seconds it took.
func timed(name string, args ...string) (float64, error) {
	start := time.Now()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %.200s", name, err, out)
	}
	return time.Since(start).Seconds(), nil
}

// writeArchive makes an archive of files as a source tree has them: 14 in a
// folder, most of some KiB, one in 50 of 300 KiB, 10 KiB on average.
func writeArchive(path string, files int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	for i := range files {
		if err := addFile(w, i); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := w.Close(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func addFile(w *tar.Writer, i int) error {
	const perFolder = 14
	folder := fmt.Sprintf("part%d/folder%d/", i/perFolder/10, i/perFolder)
	if i%perFolder == 0 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o700}); err != nil {
			return err
		}
	}
	size := int64(i*7919) % 9000
	if i%50 == 49 {
		size = 300_000
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%sfile%d.c", folder, i), Mode: 0o600, Size: size, ModTime: time.Unix(1e9, 0)}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.CopyN(w, textOf(i), size)
	return err
}

// textOf is endless content.
type textOf byte

func (t textOf) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(t) + byte(i)
	}
	return len(p), nil
}
